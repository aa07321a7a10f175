#include "store/queue/carry_table.h"

#include <algorithm>
#include <utility>

namespace mansio::store {
namespace {

QueueOffset BlockOf(QueueOffset offset) { return offset / kBlockEntries * kBlockEntries; }

// The entries of the block that begins at `block`, as they are saved.
template <typename Entries>
std::vector<CarriedPackedEntry> InBlock(const Entries& entries, QueueOffset block) {
  std::vector<CarriedPackedEntry> found;
  for (auto it = entries.lower_bound(block);
       it != entries.end() && it->first < block + kBlockEntries; ++it) {
    found.push_back({static_cast<uint8_t>(it->first - block), it->second});
  }
  return found;
}

}  // namespace

void CarryTable::Carry(const CarryPlace& place) {
  const MutexLock lock(&mutex_);
  const auto queue = queues_.find(place.queue);
  if (queue != queues_.end()) {
    const auto known = queue->second.find(place.offset);
    if (known != queue->second.end()) {
      if (UnpackEntry(known->second).log_offset != place.old_offset) return;
      Erase(place.queue, place.offset);
    }
  }
  Add(place.queue, place.offset, place.entry);
  dirty_.insert({place.queue, BlockOf(place.offset)});
}

void CarryTable::Add(QueueKey queue, QueueOffset offset, const QueueEntry& entry) {
  queues_[queue].emplace(offset, PackEntry(entry));
  positions_.try_emplace(entry.log_offset, queue, offset);
  bytes_.fetch_add(entry.size, std::memory_order_relaxed);
}

void CarryTable::Erase(QueueKey queue, QueueOffset offset) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  const auto entry = found->second.find(offset);
  if (entry == found->second.end()) return;
  const QueueEntry erased = UnpackEntry(entry->second);
  bytes_.fetch_sub(erased.size, std::memory_order_relaxed);
  positions_.erase(erased.log_offset);
  found->second.erase(entry);
  if (found->second.empty()) queues_.erase(found);
  dirty_.insert({queue, BlockOf(offset)});
}

void CarryTable::TrimBelow(LogOffset offset) {
  const MutexLock lock(&mutex_);
  while (!positions_.empty() && positions_.begin()->first < offset) {
    const auto [queue, queue_offset] = positions_.begin()->second;
    Erase(queue, queue_offset);
  }
}

void CarryTable::Forget(QueueKey queue, QueueOffset offset) {
  if (empty()) return;
  const MutexLock lock(&mutex_);
  Erase(queue, offset);
}

void CarryTable::DropTopic(uint32_t topic) {
  if (empty()) return;
  const MutexLock lock(&mutex_);
  std::vector<std::pair<QueueKey, QueueOffset>> dropped;
  for (const auto& [queue, entries] : queues_) {
    if (queue.topic != topic) continue;
    for (const auto& [offset, entry] : entries) dropped.emplace_back(queue, offset);
  }
  for (const auto& [queue, offset] : dropped) Erase(queue, offset);
}

void CarryTable::Clear() {
  const MutexLock lock(&mutex_);
  bytes_ = 0;
  queues_.clear();
  positions_.clear();
  dirty_.clear();
}

void CarryTable::CaptureDirty(KeyValueBatch& batch) {
  const MutexLock lock(&mutex_);
  for (const auto& [queue, block] : dirty_) {
    const auto found = queues_.find(queue);
    const auto entries =
        found == queues_.end() ? std::vector<CarriedPackedEntry>() : InBlock(found->second, block);
    if (entries.empty()) {
      batch.Delete(CarriedKey(queue, block));
    } else {
      batch.Put(CarriedKey(queue, block), EncodeCarried(entries));
    }
  }
  dirty_.clear();
}

void CarryTable::CaptureAll(StateSink& sink) const {
  const MutexLock lock(&mutex_);
  for (const auto& [queue, entries] : queues_) {
    for (auto it = entries.begin(); it != entries.end();) {
      const QueueOffset block = BlockOf(it->first);
      sink.Put(CarriedKey(queue, block), EncodeCarried(InBlock(entries, block)));
      it = entries.lower_bound(block + kBlockEntries);
    }
  }
}

absl::Status CarryTable::Restore(std::string_view key, std::string_view value, bool changed) {
  const auto place = PlaceOfCarriedKey(key);
  if (!place.ok()) return place.status();
  const auto entries = DecodeCarried(value);
  if (!entries.ok()) return entries.status();
  const MutexLock lock(&mutex_);
  for (const CarriedPackedEntry& entry : *entries) {
    Add(place->first, place->second + entry.index, UnpackEntry(entry.entry));
  }
  if (changed) dirty_.insert(*place);
  return absl::OkStatus();
}

bool CarryTable::Has(QueueKey queue, QueueOffset offset) const {
  return !List(queue, offset, offset + 1, 1).empty();
}

std::vector<QueueEntry> CarryTable::Run(QueueKey queue, QueueOffset from, QueueOffset end,
                                        size_t max) const {
  std::vector<QueueEntry> run;
  for (const CarriedEntry& carried : List(queue, from, end, max)) {
    if (carried.offset != from + run.size()) break;
    run.push_back(carried.entry);
  }
  return run;
}

std::vector<CarriedEntry> CarryTable::List(QueueKey queue, QueueOffset from, QueueOffset end,
                                           size_t max) const {
  std::vector<CarriedEntry> list;
  if (empty()) return list;
  const MutexLock lock(&mutex_);
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return list;
  for (auto it = found->second.lower_bound(from);
       it != found->second.end() && it->first < end && list.size() < max; ++it) {
    list.push_back({it->first, UnpackEntry(it->second)});
  }
  return list;
}

std::vector<QueueStretch> CarryTable::Below(LogOffset offset) const {
  constexpr int kPerLock = 1024;
  absl::flat_hash_map<QueueKey, QueueStretch> found;
  LogOffset next = 0;
  for (bool more = true; more;) {
    const MutexLock lock(&mutex_);
    auto it = positions_.lower_bound(next);
    for (int i = 0; i < kPerLock && it != positions_.end() && it->first < offset; ++i, ++it) {
      const auto [queue, at] = it->second;
      const auto [place, added] = found.try_emplace(queue, QueueStretch{queue, at, at + 1});
      place->second.from = std::min(place->second.from, at);
      place->second.to = std::max(place->second.to, at + 1);
    }
    more = it != positions_.end() && it->first < offset;
    if (more) next = it->first;
  }
  std::vector<QueueStretch> stretches;
  stretches.reserve(found.size());
  for (const auto& [queue, stretch] : found) stretches.push_back(stretch);
  return stretches;
}

}  // namespace mansio::store
