#include "broker/transaction/outcome_table.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

// Behind the prefix of the table.
constexpr char kBlockKey = 'b';
constexpr char kRunsKey = 'r';

uint32_t BlockOf(store::QueueOffset half) {
  return static_cast<uint32_t>(half / OutcomeTable::kBlockHalves);
}

std::string KeyOfBlock(std::string_view prefix, uint32_t block) {
  return ByteWriter().Raw(prefix).U8(kBlockKey).Key32(block).Take();
}

std::string KeyOfRuns(std::string_view prefix) {
  return ByteWriter().Raw(prefix).U8(kRunsKey).Take();
}

template <typename Bits>
std::string_view AsText(const Bits& bits) {
  return {reinterpret_cast<const char*>(bits.data()), bits.size()};
}

}  // namespace

void OutcomeTable::Add(store::Epoch epoch, store::QueueOffset half) {
  if (runs_.empty() || runs_.back().epoch != epoch) {
    runs_.push_back({half, epoch});
    dirty_runs_ = true;
  }
  if (blocks_.try_emplace(BlockOf(half)).second) {
    dirty_.insert(BlockOf(half));
    Forget();
  }
}

void OutcomeTable::Forget() {
  while (blocks_.size() > kBlocks) {
    dirty_.insert(blocks_.begin()->first);
    blocks_.erase(blocks_.begin());
  }
  const store::QueueOffset oldest = blocks_.begin()->first * kBlockHalves;
  while (runs_.size() > 1 && runs_[1].first <= oldest) {
    runs_.pop_front();
    dirty_runs_ = true;
  }
}

void OutcomeTable::Set(store::QueueOffset half, TransactionOutcome outcome) {
  const auto block = blocks_.find(BlockOf(half));
  if (block == blocks_.end()) return;
  uint8_t& byte = block->second.bits[half % kBlockHalves / 4];
  const uint32_t shift = half % 4 * 2;
  byte = static_cast<uint8_t>((byte & ~(3u << shift)) | static_cast<uint32_t>(outcome) << shift);
  dirty_.insert(block->first);
}

std::optional<store::Epoch> OutcomeTable::EpochOf(store::QueueOffset half) const {
  if (!blocks_.contains(BlockOf(half))) return std::nullopt;
  const auto run = std::upper_bound(runs_.begin(), runs_.end(), half,
                                    [](uint64_t h, const Run& r) { return h < r.first; });
  if (run == runs_.begin()) return std::nullopt;
  return std::prev(run)->epoch;
}

std::optional<TransactionOutcome> OutcomeTable::Find(store::Epoch epoch,
                                                     store::QueueOffset half) const {
  if (EpochOf(half) != epoch) return std::nullopt;
  const Block& block = blocks_.find(BlockOf(half))->second;
  return static_cast<TransactionOutcome>(block.bits[half % kBlockHalves / 4] >> half % 4 * 2 & 3);
}

std::string OutcomeTable::EncodeRuns() const {
  ByteWriter w;
  w.Varint(runs_.size());
  for (const Run& run : runs_) w.Varint(run.first).Varint(run.epoch);
  return w.Take();
}

void OutcomeTable::CaptureDirty(std::string_view prefix, store::StateSink& sink) {
  for (const uint32_t id : dirty_) {
    const auto block = blocks_.find(id);
    if (block == blocks_.end()) {
      sink.Delete(KeyOfBlock(prefix, id));
    } else {
      sink.Put(KeyOfBlock(prefix, id), AsText(block->second.bits));
    }
  }
  if (dirty_runs_) sink.Put(KeyOfRuns(prefix), EncodeRuns());
  dirty_.clear();
  dirty_runs_ = false;
}

void OutcomeTable::CaptureAll(std::string_view prefix, store::StateSink& sink) const {
  for (const auto& [id, block] : blocks_) sink.Put(KeyOfBlock(prefix, id), AsText(block.bits));
  if (!runs_.empty()) sink.Put(KeyOfRuns(prefix), EncodeRuns());
}

absl::Status OutcomeTable::Restore(std::string_view key, std::string_view value) {
  ByteReader key_reader(key);
  ByteReader r(value);
  const auto kind = static_cast<char>(key_reader.U8());
  if (kind == kBlockKey) {
    Block block;
    if (value.size() == block.bits.size()) {
      std::memcpy(block.bits.data(), value.data(), value.size());
      blocks_[key_reader.Key32()] = block;
      if (key_reader.ok()) return absl::OkStatus();
    }
  } else if (kind == kRunsKey) {
    const uint64_t count = r.Varint();
    for (uint64_t i = 0; i < count && r.ok(); ++i) {
      const store::QueueOffset first = r.Varint();
      runs_.push_back({first, r.Varint()});
    }
    if (r.ok()) return absl::OkStatus();
  }
  return absl::DataLossError("the checkpoint's outcomes of transactions cannot be decoded");
}

void OutcomeTable::Clear() { *this = OutcomeTable(); }

}  // namespace mansio::broker
