#include "broker/metadata/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

std::string TopicRecord::Encode() const {
  ByteWriter w;
  w.Varint(id).Bytes(name).U8(static_cast<uint8_t>(type)).Varint(queues).Fixed64(created_ms);
  return w.Take();
}

absl::StatusOr<TopicRecord> TopicRecord::Decode(std::string_view body) {
  ByteReader r(body);
  TopicRecord t;
  t.id = r.Varint32();
  t.name = std::string(r.Bytes());
  t.type = static_cast<MessageType>(r.U8());
  t.queues = r.Varint32();
  t.created_ms = static_cast<int64_t>(r.Fixed64());
  if (!r.ok() || t.name.empty()) return absl::DataLossError("a topic record cannot be decoded");
  return t;
}

std::string GroupRecord::Encode() const {
  ByteWriter w;
  w.Varint(id).Bytes(name).U8(fifo ? 1 : 0).Varint(max_attempts).U8(static_cast<uint8_t>(start));
  w.Fixed64(created_ms);
  return w.Take();
}

absl::StatusOr<GroupRecord> GroupRecord::Decode(std::string_view body) {
  ByteReader r(body);
  GroupRecord g;
  g.id = r.Varint32();
  g.name = std::string(r.Bytes());
  g.fifo = r.U8() != 0;
  g.max_attempts = r.Varint32();
  g.start = static_cast<StartPolicy>(r.U8());
  g.created_ms = static_cast<int64_t>(r.Fixed64());
  if (!r.ok() || g.name.empty()) return absl::DataLossError("a group record cannot be decoded");
  return g;
}

std::string EncodeHandleKey(const std::array<uint64_t, 2>& key) {
  return ByteWriter().Fixed64(key[0]).Fixed64(key[1]).Take();
}

}  // namespace mansio::broker
