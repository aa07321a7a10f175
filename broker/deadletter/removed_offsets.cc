#include "broker/deadletter/removed_offsets.h"

#include <algorithm>

namespace mansio::broker {

namespace {

constexpr size_t kEncodedBytes = RemovedOffsets::kChunk / 8;
constexpr std::string_view kComplete = "all";

}  // namespace

bool RemovedOffsets::Add(store::QueueOffset offset) {
  const auto [it, added] = chunks_.try_emplace(ChunkOf(offset));
  Chunk& chunk = it->second;
  if (added) chunk.bits = std::make_unique<std::bitset<kChunk>>();
  const size_t bit = offset % kChunk;
  if (chunk.Has(bit)) return false;
  chunk.bits->set(bit);
  if (++chunk.count == kChunk) chunk.bits = nullptr;
  return true;
}

bool RemovedOffsets::Contains(store::QueueOffset offset) const {
  const auto it = chunks_.find(ChunkOf(offset));
  return it != chunks_.end() && it->second.Has(offset % kChunk);
}

uint64_t RemovedOffsets::CountIn(store::QueueOffset from, store::QueueOffset to) const {
  uint64_t count = 0;
  for (auto it = chunks_.lower_bound(ChunkOf(from)); it != chunks_.end() && it->first * kChunk < to;
       ++it) {
    const store::QueueOffset begin = it->first * kChunk;
    if (begin >= from && begin + kChunk <= to) {
      count += it->second.count;
      continue;
    }
    for (store::QueueOffset o = std::max(from, begin); o < std::min(to, begin + kChunk); ++o) {
      count += it->second.Has(o % kChunk);
    }
  }
  return count;
}

store::QueueOffset RemovedOffsets::Skip(store::QueueOffset offset) const {
  for (auto it = chunks_.find(ChunkOf(offset)); it != chunks_.end() && it->first == ChunkOf(offset);
       ++it) {
    const store::QueueOffset end = (it->first + 1) * kChunk;
    if (it->second.bits == nullptr) offset = end;
    while (offset < end && it->second.Has(offset % kChunk)) ++offset;
    if (offset < end) break;
  }
  return offset;
}

store::QueueOffset RemovedOffsets::SkipBack(store::QueueOffset offset) const {
  while (offset > 0) {
    const auto it = chunks_.find(ChunkOf(offset - 1));
    if (it == chunks_.end()) break;
    const store::QueueOffset begin = it->first * kChunk;
    if (it->second.bits == nullptr) offset = begin;
    while (offset > begin && it->second.Has((offset - 1) % kChunk)) --offset;
    if (offset > begin) break;
  }
  return offset;
}

std::vector<uint64_t> RemovedOffsets::ForgetBefore(store::QueueOffset offset) {
  std::vector<uint64_t> forgotten;
  while (!chunks_.empty() && (chunks_.begin()->first + 1) * kChunk <= offset) {
    forgotten.push_back(chunks_.begin()->first);
    chunks_.erase(chunks_.begin());
  }
  return forgotten;
}

std::vector<uint64_t> RemovedOffsets::chunks() const {
  std::vector<uint64_t> numbers;
  for (const auto& [number, chunk] : chunks_) numbers.push_back(number);
  return numbers;
}

std::string RemovedOffsets::Encode(uint64_t number) const {
  const auto it = chunks_.find(number);
  if (it == chunks_.end()) return "";
  if (it->second.bits == nullptr) return std::string(kComplete);
  std::string bytes(kEncodedBytes, '\0');
  for (size_t bit = 0; bit < kChunk; ++bit) {
    if (it->second.bits->test(bit)) bytes[bit / 8] |= static_cast<char>(1 << bit % 8);
  }
  return bytes;
}

absl::Status RemovedOffsets::Decode(uint64_t number, std::string_view bytes) {
  Chunk chunk;
  if (bytes == kComplete) {
    chunk.count = kChunk;
  } else if (bytes.size() == kEncodedBytes) {
    chunk.bits = std::make_unique<std::bitset<kChunk>>();
    for (size_t bit = 0; bit < kChunk; ++bit) {
      if ((static_cast<uint8_t>(bytes[bit / 8]) >> bit % 8 & 1) != 0) chunk.bits->set(bit);
    }
    chunk.count = static_cast<uint32_t>(chunk.bits->count());
  } else {
    return absl::DataLossError("a set of removed dead letters cannot be decoded");
  }
  chunks_[number] = std::move(chunk);
  return absl::OkStatus();
}

}  // namespace mansio::broker
