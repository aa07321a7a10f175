#include "store/log/append_encoding.h"

#include <algorithm>
#include <cstring>

#include "common/crc/crc32c.h"
#include "fmt/format.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {

absl::Status TooLarge(size_t bytes, size_t limit) {
  return absl::InvalidArgumentError(fmt::format(
      "the request takes {} bytes in the commit log, but one frame holds at most {}: send it "
      "in smaller parts",
      bytes, limit));
}

// Message records learn where their frame begins, which depends on the number of messages in it.
void SealMessages(absl::Span<const uint32_t> starts, size_t messages, std::string& payload) {
  for (const uint32_t start : starts) {
    std::string_view rest = std::string_view(payload).substr(start);
    EncodedRecord record;
    if (!TakeRecord(rest, &record) || record.kind != kMessageRecord) continue;
    char* body = payload.data() + start + (record.bytes - record.body.size());
    SealMessageBody(static_cast<uint32_t>(PayloadStart(messages) + start), body,
                    record.body.size());
  }
}

}  // namespace

void Append::AddRecord(RecordKind kind, std::string_view body) {
  starts_.push_back(static_cast<uint32_t>(payload_.size()));
  char header[kMaxRecordHeaderBytes];
  const char* end = EncodeRecordHeader(kind, static_cast<uint32_t>(body.size()), header);
  payload_.reserve(payload_.size() + (end - header) + body.size());
  payload_.append(header, end - header).append(body);
}

void Append::AddMessage(QueueKey queue, uint64_t tag_hash, StoreTime store_time,
                        std::string_view content) {
  char* to = BeginMessage(queue, tag_hash, store_time, content.size());
  if (!content.empty()) std::memcpy(to, content.data(), content.size());
  SealMessage();
}

char* Append::BeginMessage(QueueKey queue, uint64_t tag_hash, StoreTime store_time, size_t size) {
  const size_t start = payload_.size();
  const size_t body_bytes = MessageBodyBytes(queue, size);
  char header[kMaxRecordHeaderBytes];
  const char* end = EncodeRecordHeader(kMessageRecord, static_cast<uint32_t>(body_bytes), header);
  payload_.append(header, end - header);
  const size_t body = payload_.size();
  payload_.resize(body + body_bytes);
  const EncodedMessage message{.queue = queue,
                               .index = static_cast<uint16_t>(message_queues_.size()),
                               .store_time = store_time,
                               .tag_hash = tag_hash};
  char* content = EncodeMessagePrefix(message, payload_.data() + body);
  starts_.push_back(static_cast<uint32_t>(start));
  message_queues_.push_back(queue);
  ++open_message_;
  return content;
}

void Append::SealMessage() { --open_message_; }

size_t AppendEncoding::MaxBytes(uint64_t segment_bytes) {
  const size_t frame = std::min<uint64_t>(kMaxFrameBytes, segment_bytes);
  return std::min(kMaxFramePayload, frame - kCarryOverheadBytes - FrameBytes(1, 0));
}

absl::Status AppendEncoding::Seal(Append& append, size_t max_frame_bytes) {
  if (append.empty()) return absl::InvalidArgumentError("an append without records was submitted");
  if (append.open_message_ != 0) {
    return absl::InvalidArgumentError("an append was submitted with a message that was not sealed");
  }
  const size_t messages = append.message_queues_.size();
  if (messages > kMaxAssignments) {
    return absl::InvalidArgumentError(fmt::format(
        "an append has {} messages, but one frame holds at most {}", messages, kMaxAssignments));
  }
  if (append.size() > kMaxFramePayload) return TooLarge(append.size(), kMaxFramePayload);
  const size_t frame_bytes = FrameBytes(messages, append.size());
  if (frame_bytes > max_frame_bytes) return TooLarge(frame_bytes, max_frame_bytes);
  if (messages > 0) SealMessages(append.starts_, messages, append.payload_);
  append.payload_crc_ = Crc32c(append.payload_);
  return absl::OkStatus();
}

}  // namespace mansio::store
