#ifndef MANSIO_STORE_LOG_RECORD_CODEC_H_
#define MANSIO_STORE_LOG_RECORD_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "store/log/frame_codec.h"
#include "store/record.h"
#include "store/types.h"

// Records inside a frame's payload, to and from bytes; the layout is in store/log/frame.h. Safe on
// any thread and on arbitrary bytes.
namespace mansio::store {

// The header of a record: kind and length of the body.
constexpr size_t kMaxRecordHeaderBytes = 6;
char* EncodeRecordHeader(RecordKind kind, uint32_t body_bytes, char* to);

// One record as it stands in a payload.
struct EncodedRecord {
  RecordKind kind = 0;
  std::string_view body;
  uint32_t bytes = 0;  // with its header
};
// Takes a record from the front of `bytes`. False when it is cut off or malformed.
bool TakeRecord(std::string_view& bytes, EncodedRecord* record);

// The body of a message record. `crc` covers all that follows it.
struct EncodedMessage {
  uint32_t crc = 0;
  QueueKey queue;
  uint16_t index = 0;       // which assignment of the frame is its queue offset
  uint32_t frame_back = 0;  // bytes from the record's start back to its frame
  StoreTime store_time = 0;
  uint64_t tag_hash = 0;
  std::string_view content;
};
// Bytes of a message's body around a content of `content_bytes`.
size_t MessageBodyBytes(QueueKey queue, size_t content_bytes);
// Writes the body up to its content, with `crc` and `frame_back` zero; returns where the content
// begins.
char* EncodeMessagePrefix(const EncodedMessage& message, char* body);
// Fills in what is known only when the frame is complete, `frame_back` and then the checksum.
void SealMessageBody(uint32_t frame_back, char* body, size_t body_bytes);
// False when `body` is malformed. Does not look at the checksum.
bool DecodeMessageBody(std::string_view body, EncodedMessage* message);
bool MessageCrcIsRight(std::string_view body);

// Calls `visit` for each record of a whole frame whose header and payload have been checked.
// kRecords when the records do not fill the payload; then some may have been visited.
FrameFault ForEachRecord(
    const FrameHeader& header, std::string_view frame, bool replay,
    absl::FunctionRef<void(const RecordView& record, uint32_t record_bytes)> visit);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_RECORD_CODEC_H_
