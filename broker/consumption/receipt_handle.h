#ifndef MANSIO_BROKER_CONSUMPTION_RECEIPT_HANDLE_H_
#define MANSIO_BROKER_CONSUMPTION_RECEIPT_HANDLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::broker {

// Names one lease (design section 6): opaque text for clients, URL-safe base64, with a keyed MAC so
// that it can be neither guessed nor changed. It holds no log position of a message, so that a
// message carried forward keeps its handle; the lease id is a position that a SNAPSHOT keeps.
struct ReceiptHandle {
  std::string broker;  // so that any node can forward it
  uint32_t group = 0;
  uint32_t topic = 0;
  uint32_t queue = 0;
  store::QueueOffset offset = 0;
  uint32_t attempt = 1;  // of the message, those before it came into a retry queue included
  store::LogPosition lease;

  std::string Encode(const std::array<uint64_t, 2>& key) const;
  // INVALID_RECEIPT_HANDLE (wire status) for text that is not a handle made with this key.
  static absl::StatusOr<ReceiptHandle> Decode(std::string_view text,
                                              const std::array<uint64_t, 2>& key);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_RECEIPT_HANDLE_H_
