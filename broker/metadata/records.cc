#include "broker/metadata/records.h"

#include <bit>

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

enum BackoffForm : uint8_t { kSteps = 0, kExponential = 1 };

void Write(ByteWriter& w, const Backoff& backoff) {
  if (const auto& growing = backoff.exponential) {
    w.U8(kExponential).Varint(absl::ToInt64Milliseconds(growing->initial));
    w.Varint(absl::ToInt64Milliseconds(growing->max));
    w.Fixed64(std::bit_cast<uint64_t>(growing->multiplier));
    return;
  }
  w.U8(kSteps).Varint(backoff.steps.size());
  for (const absl::Duration step : backoff.steps) w.Varint(absl::ToInt64Milliseconds(step));
}

absl::Duration ReadMillis(ByteReader& r) {
  return absl::Milliseconds(static_cast<int64_t>(r.Varint()));
}

Backoff ReadBackoff(ByteReader& r) {
  Backoff backoff;
  if (r.U8() == kExponential) {
    const absl::Duration initial = ReadMillis(r);
    const absl::Duration max = ReadMillis(r);
    backoff.exponential = {initial, max, std::bit_cast<double>(r.Fixed64())};
    return backoff;
  }
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) backoff.steps.push_back(ReadMillis(r));
  return backoff;
}

constexpr uint8_t kFifoFlag = 1;
constexpr uint8_t kBroadcastFlag = 2;
constexpr uint8_t kPausedFlag = 4;

constexpr uint8_t kExpiredToDeadLettersFlag = 1;  // of a topic
constexpr uint8_t kPriorityGuardFlag = 2;
constexpr uint8_t kDrainingFlag = 4;
constexpr uint8_t kAddedFlag = 8;

uint8_t FlagsOf(const TopicRecord& topic) {
  return (topic.expiry.dead_letter ? kExpiredToDeadLettersFlag : 0) |
         (topic.priority_guard ? kPriorityGuardFlag : 0) | (topic.draining ? kDrainingFlag : 0) |
         (topic.added ? kAddedFlag : 0);
}

uint8_t FlagsOf(const GroupRecord& group) {
  return (group.fifo ? kFifoFlag : 0) | (group.broadcast ? kBroadcastFlag : 0) |
         (group.paused ? kPausedFlag : 0);
}

}  // namespace

std::string_view NameOf(MessageType type) {
  switch (type) {
    case MessageType::kNormal:
      return "NORMAL";
    case MessageType::kFifo:
      return "FIFO";
    case MessageType::kDelay:
      return "DELAY";
    case MessageType::kTransaction:
      return "TRANSACTION";
    case MessageType::kLite:
      return "LITE";
    case MessageType::kPriority:
      return "PRIORITY";
    case MessageType::kMixed:
      return "MIXED";
  }
  return "unknown";
}

bool Takes(MessageType topic, MessageType message) {
  if (topic != MessageType::kMixed) return topic == message;
  return message == MessageType::kNormal || message == MessageType::kFifo ||
         message == MessageType::kDelay || message == MessageType::kTransaction;
}

std::string TopicRecord::Encode() const {
  ByteWriter w;
  w.Varint(id).Bytes(name).U8(static_cast<uint8_t>(type)).Varint(queues).Fixed64(created_ms);
  w.U8(static_cast<uint8_t>(kind)).Varint(group).Varint(origins.size());
  for (const uint32_t origin : origins) w.Varint(origin);
  // Most topics have none of what follows, and no byte for it; each part is there when a later one
  // is.
  const bool shared = !brokers.empty();
  const bool limited = shared || backlog != BacklogPolicy{};
  const bool consumed_specially =
      limited || expiry != ExpiryPolicy{} || priority_guard || draining || added;
  if (consumed_specially || check_back != CheckBackPolicy{}) {
    w.Varint(static_cast<uint64_t>(check_back.first_check_ms));
    w.Varint(static_cast<uint64_t>(check_back.interval_ms)).Varint(check_back.max_checks);
  }
  if (consumed_specially) w.Varint(static_cast<uint64_t>(expiry.ttl_ms)).U8(FlagsOf(*this));
  if (limited) w.Varint(backlog.max).U8(static_cast<uint8_t>(backlog.overflow));
  if (shared) w.Varint(brokers.size());
  for (const std::string& broker : brokers) w.Bytes(broker);
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
  t.kind = static_cast<TopicKind>(r.U8());
  t.group = r.Varint32();
  for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) t.origins.push_back(r.Varint32());
  if (!r.AtEnd()) {
    t.check_back.first_check_ms = static_cast<int64_t>(r.Varint());
    t.check_back.interval_ms = static_cast<int64_t>(r.Varint());
    t.check_back.max_checks = r.Varint32();
  }
  if (!r.AtEnd()) {
    t.expiry.ttl_ms = static_cast<int64_t>(r.Varint());
    const uint8_t flags = r.U8();
    t.expiry.dead_letter = (flags & kExpiredToDeadLettersFlag) != 0;
    t.priority_guard = (flags & kPriorityGuardFlag) != 0;
    t.draining = (flags & kDrainingFlag) != 0;
    t.added = (flags & kAddedFlag) != 0;
  }
  if (!r.AtEnd()) {
    t.backlog.max = r.Varint();
    t.backlog.overflow = static_cast<Overflow>(r.U8());
  }
  if (!r.AtEnd()) {
    for (uint64_t n = r.Varint(); n > 0 && r.ok(); --n) t.brokers.emplace_back(r.Bytes());
  }
  if (!r.ok() || t.name.empty()) return absl::DataLossError("a topic record cannot be decoded");
  return t;
}

std::string GroupRecord::Encode() const {
  ByteWriter w;
  w.Varint(id).Bytes(name).U8(FlagsOf(*this)).Varint(max_attempts).U8(static_cast<uint8_t>(start));
  w.Fixed64(created_ms);
  Write(w, backoff);
  return w.Take();
}

absl::StatusOr<GroupRecord> GroupRecord::Decode(std::string_view body) {
  ByteReader r(body);
  GroupRecord g;
  g.id = r.Varint32();
  g.name = std::string(r.Bytes());
  const uint8_t flags = r.U8();
  g.fifo = (flags & kFifoFlag) != 0;
  g.broadcast = (flags & kBroadcastFlag) != 0;
  g.paused = (flags & kPausedFlag) != 0;
  g.max_attempts = r.Varint32();
  g.start = static_cast<StartPolicy>(r.U8());
  g.created_ms = static_cast<int64_t>(r.Fixed64());
  g.backoff = ReadBackoff(r);
  if (!r.ok() || g.name.empty()) return absl::DataLossError("a group record cannot be decoded");
  return g;
}

std::string GroupPausedRecord::Encode() const {
  return ByteWriter().Varint(id).U8(paused ? 1 : 0).Take();
}

absl::StatusOr<GroupPausedRecord> GroupPausedRecord::Decode(std::string_view body) {
  ByteReader r(body);
  GroupPausedRecord p;
  p.id = r.Varint32();
  p.paused = r.U8() != 0;
  if (!r.ok()) return absl::DataLossError("the record of a paused group cannot be decoded");
  return p;
}

std::string EncodeHandleKey(const std::array<uint64_t, 2>& key) {
  return ByteWriter().Fixed64(key[0]).Fixed64(key[1]).Take();
}

}  // namespace mansio::broker
