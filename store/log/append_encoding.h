#ifndef MANSIO_STORE_LOG_APPEND_ENCODING_H_
#define MANSIO_STORE_LOG_APPEND_ENCODING_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "store/append.h"
#include "store/types.h"

namespace mansio::store {

// The log's access to the encoded form of an append. Static functions; an append belongs to one
// thread at a time.
class AppendEncoding {
 public:
  // Finishes the encoding on the submitting thread: places in the frame and checksums, so that the
  // log thread only copies. InvalidArgument when the append cannot become a frame of at most
  // `max_frame_bytes`, is empty, or has a message that was not sealed.
  static absl::Status Seal(Append& append, size_t max_frame_bytes);
  // Store::MaxAppendBytes with segments of this size.
  static size_t MaxBytes(uint64_t segment_bytes);

  static std::string_view Payload(const Append& append) { return append.payload_; }
  static uint32_t PayloadCrc(const Append& append) { return append.payload_crc_; }
  // Where each record starts in the payload.
  static absl::Span<const uint32_t> Starts(const Append& append) { return append.starts_; }
  static absl::Span<const QueueKey> Messages(const Append& append) {
    return append.message_queues_;
  }
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_APPEND_ENCODING_H_
