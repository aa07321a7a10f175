#include "store/log/record_codec.h"

#include "common/crc/crc32c.h"
#include "store/log/little_endian.h"

namespace mansio::store {
namespace {

// crc, index, frame_back, store_time, tag_hash: what is not a varint.
constexpr size_t kFixedMessageBytes = 4 + 2 + 4 + 8 + 8;

}  // namespace

char* EncodeRecordHeader(RecordKind kind, uint32_t body_bytes, char* to) {
  return StoreVarint(body_bytes, StoreLittle<uint8_t>(kind, to));
}

bool TakeRecord(std::string_view& bytes, EncodedRecord* record) {
  std::string_view rest = bytes;
  uint32_t length = 0;
  if (!TakeLittle(rest, &record->kind) || !TakeVarint(rest, &length) || rest.size() < length) {
    return false;
  }
  record->body = rest.substr(0, length);
  rest.remove_prefix(length);
  record->bytes = static_cast<uint32_t>(bytes.size() - rest.size());
  bytes = rest;
  return true;
}

size_t MessageBodyBytes(QueueKey queue, size_t content_bytes) {
  return kFixedMessageBytes + VarintBytes(queue.topic) + VarintBytes(queue.queue) + content_bytes;
}

char* EncodeMessagePrefix(const EncodedMessage& message, char* body) {
  char* at = StoreLittle<uint32_t>(0, body);
  at = StoreVarint(message.queue.topic, at);
  at = StoreVarint(message.queue.queue, at);
  at = StoreLittle<uint16_t>(message.index, at);
  at = StoreLittle<uint32_t>(0, at);
  at = StoreLittle<int64_t>(message.store_time, at);
  return StoreLittle<uint64_t>(message.tag_hash, at);
}

bool DecodeMessageBody(std::string_view body, EncodedMessage* message) {
  if (!TakeLittle(body, &message->crc) || !TakeVarint(body, &message->queue.topic) ||
      !TakeVarint(body, &message->queue.queue) || !TakeLittle(body, &message->index) ||
      !TakeLittle(body, &message->frame_back) || !TakeLittle(body, &message->store_time) ||
      !TakeLittle(body, &message->tag_hash)) {
    return false;
  }
  message->content = body;
  return true;
}

void SealMessageBody(uint32_t frame_back, char* body, size_t body_bytes) {
  std::string_view rest(body + 4, body_bytes - 4);
  uint32_t skipped = 0;
  TakeVarint(rest, &skipped);
  TakeVarint(rest, &skipped);
  rest.remove_prefix(sizeof(uint16_t));
  StoreLittle<uint32_t>(frame_back, body + (rest.data() - body));
  StoreLittle<uint32_t>(Crc32c(std::string_view(body + 4, body_bytes - 4)), body);
}

bool MessageCrcIsRight(std::string_view body) {
  return body.size() >= 4 && LoadLittle<uint32_t>(body.data()) == Crc32c(body.substr(4));
}

FrameFault ForEachRecord(
    const FrameHeader& header, std::string_view frame, bool replay,
    absl::FunctionRef<void(const RecordView& record, uint32_t record_bytes)> visit) {
  const size_t payload_start = PayloadStart(header.assignments);
  const auto payload = frame.substr(payload_start, header.payload_bytes);
  std::string_view rest = payload;
  for (uint32_t i = 0; i < header.records; ++i) {
    const size_t at = payload_start + (payload.size() - rest.size());
    EncodedRecord encoded;
    if (!TakeRecord(rest, &encoded)) return FrameFault::kRecords;
    RecordView record{.kind = encoded.kind,
                      .position = {header.epoch, header.offset + at},
                      .store_time = header.store_time,
                      .body = encoded.body,
                      .replay = replay};
    MessageView view;
    if (encoded.kind == kMessageRecord) {
      EncodedMessage message;
      if (!DecodeMessageBody(encoded.body, &message) || message.index >= header.assignments) {
        return FrameFault::kRecords;
      }
      view = {.queue = message.queue,
              .queue_offset = DecodeAssignment(message.index, frame),
              .tag_hash = message.tag_hash,
              .store_time = message.store_time,
              .content = message.content};
      record.message = &view;
    }
    visit(record, encoded.bytes);
  }
  return rest.empty() ? FrameFault::kNone : FrameFault::kRecords;
}

}  // namespace mansio::store
