#include "broker/transaction/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

std::string HalfRecord::Encode() const {
  return ByteWriter().Varint(topic).Varint(static_cast<uint64_t>(recovery_ms)).Take();
}

absl::StatusOr<HalfRecord> HalfRecord::Decode(std::string_view body) {
  ByteReader r(body);
  HalfRecord half;
  half.topic = r.Varint32();
  half.recovery_ms = static_cast<int64_t>(r.Varint());
  if (!r.ok()) return absl::DataLossError("a record of a half message cannot be decoded");
  return half;
}

std::string TransactionEndRecord::Encode() const {
  return ByteWriter().U8(static_cast<uint8_t>(outcome)).Varint(half).Take();
}

absl::StatusOr<TransactionEndRecord> TransactionEndRecord::Decode(std::string_view body) {
  ByteReader r(body);
  TransactionEndRecord end;
  const uint8_t outcome = r.U8();
  end.outcome = static_cast<TransactionOutcome>(outcome);
  end.half = r.Varint();
  if (!r.ok() || outcome < static_cast<uint8_t>(TransactionOutcome::kCommitted) ||
      outcome > static_cast<uint8_t>(TransactionOutcome::kExpired)) {
    return absl::DataLossError("the end of a transaction cannot be decoded");
  }
  return end;
}

std::string HalvesCheckedRecord::Encode() const {
  ByteWriter w;
  w.Varint(static_cast<uint64_t>(at_ms)).Varint(halves.size());
  for (const store::QueueOffset half : halves) w.Varint(half);
  return w.Take();
}

absl::StatusOr<HalvesCheckedRecord> HalvesCheckedRecord::Decode(std::string_view body) {
  ByteReader r(body);
  HalvesCheckedRecord checked;
  checked.at_ms = static_cast<int64_t>(r.Varint());
  const uint64_t count = r.Varint();
  // Each takes a byte at least: a damaged count must not reserve memory.
  if (count > r.remaining()) return absl::DataLossError("a round of checks cannot be decoded");
  checked.halves.reserve(count);
  for (uint64_t i = 0; i < count; ++i) checked.halves.push_back(r.Varint());
  if (!r.ok()) return absl::DataLossError("a round of checks cannot be decoded");
  return checked;
}

}  // namespace mansio::broker
