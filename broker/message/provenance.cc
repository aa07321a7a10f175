#include "broker/message/provenance.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"
#include "broker/message/wire_writer.h"

namespace mansio::broker {

namespace {

// Stable on disk; laid out like protobuf fields, so that a later version can add some.
enum ProvenanceField : uint32_t {
  kTopic = 1,
  kQueue = 2,
  kOffset = 3,
  kStoredMs = 4,
  kAttempts = 5,
  kDueMs = 6,
  kLevel = 7,
  kGroup = 8,
  kTopicName = 9,
  kReason = 10,
  kFirstMs = 11,
  kLastMs = 12,
  kDeadLetter = 13,
  kDeadMs = 30,
  kDelivered = 31,
};

void PutNumber(WireWriter& w, uint32_t field, uint64_t value) {
  if (value != 0) w.Int(field, static_cast<int64_t>(value));
}

void PutText(WireWriter& w, uint32_t field, std::string_view value) {
  if (!value.empty()) w.Bytes(field, value);
}

void SetNumber(Provenance& p, uint64_t field, uint64_t value) {
  switch (field) {
    case kTopic:
      p.topic = static_cast<uint32_t>(value);
      break;
    case kQueue:
      p.queue = static_cast<uint32_t>(value);
      break;
    case kOffset:
      p.offset = value;
      break;
    case kStoredMs:
      p.stored_ms = static_cast<int64_t>(value);
      break;
    case kAttempts:
      p.attempts = static_cast<uint32_t>(value);
      break;
    case kDueMs:
      p.due_ms = static_cast<int64_t>(value);
      break;
    case kLevel:
      p.level = static_cast<uint32_t>(value);
      break;
    case kFirstMs:
      p.first_ms = static_cast<int64_t>(value);
      break;
    case kLastMs:
      p.last_ms = static_cast<int64_t>(value);
      break;
    case kDeadMs:
      p.dead_ms = static_cast<int64_t>(value);
      break;
    default:
      break;
  }
}

void SetText(Provenance& p, uint64_t field, std::string_view value) {
  switch (field) {
    case kGroup:
      p.group = value;
      break;
    case kTopicName:
      p.topic_name = value;
      break;
    case kReason:
      p.reason = value;
      break;
    case kDeadLetter:
      p.dead_letter = value;
      break;
    case kDelivered:
      p.delivered = value;
      break;
    default:
      break;
  }
}

}  // namespace

std::string Provenance::Encode() const {
  WireWriter w;
  PutNumber(w, kTopic, topic);
  PutNumber(w, kQueue, queue);
  PutNumber(w, kOffset, offset);
  PutNumber(w, kStoredMs, static_cast<uint64_t>(stored_ms));
  PutNumber(w, kAttempts, attempts);
  PutNumber(w, kDueMs, static_cast<uint64_t>(due_ms));
  PutNumber(w, kLevel, level);
  PutText(w, kGroup, group);
  PutText(w, kTopicName, topic_name);
  PutText(w, kReason, reason);
  PutNumber(w, kFirstMs, static_cast<uint64_t>(first_ms));
  PutNumber(w, kLastMs, static_cast<uint64_t>(last_ms));
  PutText(w, kDeadLetter, dead_letter);
  PutNumber(w, kDeadMs, static_cast<uint64_t>(dead_ms));
  PutText(w, kDelivered, delivered);
  return w.Take();
}

absl::StatusOr<Provenance> Provenance::Decode(std::string_view bytes) {
  Provenance provenance;
  ByteReader reader(bytes);
  while (reader.ok() && !reader.AtEnd()) {
    const uint64_t tag = reader.Varint();
    switch (static_cast<WireType>(tag & 7)) {
      case WireType::kVarint:
        SetNumber(provenance, tag >> 3, reader.Varint());
        break;
      case WireType::kBytes:
        SetText(provenance, tag >> 3, reader.Bytes());
        break;
      default:
        return absl::DataLossError("the provenance of a stored message is damaged");
    }
  }
  if (!reader.ok()) return absl::DataLossError("the provenance of a stored message is damaged");
  return provenance;
}

}  // namespace mansio::broker
