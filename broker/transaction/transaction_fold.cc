// How pending halves and outcomes go into a checkpoint and back.

#include <string>

#include "absl/status/status.h"
#include "broker/core/codec.h"
#include "broker/transaction/transaction_state.h"

namespace mansio::broker {

namespace {

// Second byte of a checkpoint key, behind the prefix 'T'.
constexpr char kHalfKey = 'h';
constexpr char kTotalsKey = 't';
constexpr char kOutcomesKey = 'o';
constexpr std::string_view kOutcomesPrefix = "To";

std::string KeyOfHalf(store::QueueOffset half) {
  return ByteWriter()
      .U8('T')
      .U8(kHalfKey)
      .Key32(static_cast<uint32_t>(half >> 32))
      .Key32(static_cast<uint32_t>(half))
      .Take();
}

std::string EncodeHalf(const Half& half) {
  ByteWriter w;
  w.Varint(half.epoch).Varint(half.topic).Varint(half.checks);
  w.Varint(static_cast<uint64_t>(half.stored_ms)).Varint(static_cast<uint64_t>(half.recovery_ms));
  w.Varint(static_cast<uint64_t>(half.checked_ms));
  return w.Take();
}

Half DecodeHalf(ByteReader& r) {
  Half half;
  half.epoch = r.Varint();
  half.topic = r.Varint32();
  half.checks = r.Varint32();
  half.stored_ms = static_cast<int64_t>(r.Varint());
  half.recovery_ms = static_cast<int64_t>(r.Varint());
  half.checked_ms = static_cast<int64_t>(r.Varint());
  return half;
}

std::string KeyOfTotals() { return ByteWriter().U8('T').U8(kTotalsKey).Take(); }

std::string EncodeTotals(const TransactionTotals& totals) {
  ByteWriter w;
  w.Varint(totals.halves).Varint(totals.committed).Varint(totals.rolled_back);
  w.Varint(totals.expired);
  return w.Take();
}

}  // namespace

void TransactionState::CaptureDirty(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  for (const store::QueueOffset offset : dirty_) {
    const auto half = halves_.find(offset);
    if (half == halves_.end()) {
      sink.Delete(KeyOfHalf(offset));
    } else {
      half->second.in_checkpoint = true;
      sink.Put(KeyOfHalf(offset), EncodeHalf(half->second));
    }
  }
  dirty_.clear();
  outcomes_.CaptureDirty(kOutcomesPrefix, sink);
  if (dirty_totals_) sink.Put(KeyOfTotals(), EncodeTotals(totals_));
  dirty_totals_ = false;
}

void TransactionState::CaptureAll(store::StateSink& sink) {
  MutexLock lock(&mutex_);
  for (const auto& [offset, half] : halves_) sink.Put(KeyOfHalf(offset), EncodeHalf(half));
  outcomes_.CaptureAll(kOutcomesPrefix, sink);
  if (totals_.halves > 0) sink.Put(KeyOfTotals(), EncodeTotals(totals_));
}

absl::Status TransactionState::Restore(std::string_view key, std::string_view value) {
  ByteReader key_reader(key.substr(1));
  ByteReader r(value);
  bool understood = false;
  switch (static_cast<char>(key_reader.U8())) {
    case kOutcomesKey: {
      MutexLock lock(&mutex_);
      return outcomes_.Restore(key_reader.Rest(), value);
    }
    case kTotalsKey: {
      MutexLock lock(&mutex_);
      totals_.halves = r.Varint();
      totals_.committed = r.Varint();
      totals_.rolled_back = r.Varint();
      totals_.expired = r.Varint();
      understood = r.ok();
      break;
    }
    case kHalfKey: {
      const auto high = static_cast<uint64_t>(key_reader.Key32());
      const store::QueueOffset offset = high << 32 | key_reader.Key32();
      const Half half = DecodeHalf(r);
      understood = r.ok() && key_reader.ok();
      if (understood) RestoreHalf(offset, half);
      break;
    }
  }
  if (understood) return absl::OkStatus();
  return absl::DataLossError("the checkpoint's pending transactions cannot be decoded");
}

void TransactionState::RestoreHalf(store::QueueOffset offset, Half half) {
  half.in_checkpoint = true;
  {
    MutexLock lock(&mutex_);
    InsertHalf(offset, half);
  }
  if (hooks_.half_added) hooks_.half_added(offset, half);
}

void TransactionState::Clear() {
  MutexLock lock(&mutex_);
  halves_.clear();
  pending_by_topic_.clear();
  outcomes_.Clear();
  totals_ = {};
  claims_.clear();
  dirty_.clear();
  dirty_totals_ = false;
}

}  // namespace mansio::broker
