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
  bytes_.fetch_add(entry.size, std::memory_order_relaxed);
  // Restored ones come in the order of their keys; what is carried now stands behind all others.
  sorted_ = sorted_ && (positions_.empty() || positions_.back().log_offset < entry.log_offset);
  positions_.push_back({entry.log_offset, queue, offset});
}

void CarryTable::SortPositions() {
  if (std::exchange(sorted_, true)) return;
  std::sort(positions_.begin(), positions_.end(),
            [](const Position& a, const Position& b) { return a.log_offset < b.log_offset; });
}

void CarryTable::Erase(QueueKey queue, QueueOffset offset) {
  const auto found = queues_.find(queue);
  if (found == queues_.end()) return;
  const auto entry = found->second.find(offset);
  if (entry == found->second.end()) return;
  bytes_.fetch_sub(UnpackEntry(entry->second).size, std::memory_order_relaxed);
  found->second.erase(entry);
  if (found->second.empty()) queues_.erase(found);
  dirty_.insert({queue, BlockOf(offset)});
}

bool CarryTable::Stands(const Position& position) const {
  const auto queue = queues_.find(position.queue);
  if (queue == queues_.end()) return false;
  const auto entry = queue->second.find(position.offset);
  return entry != queue->second.end() &&
         UnpackEntry(entry->second).log_offset == position.log_offset;
}

void CarryTable::TrimBelow(LogOffset offset) {
  const MutexLock lock(&mutex_);
  SortPositions();
  while (!positions_.empty() && positions_.front().log_offset < offset) {
    const Position position = positions_.front();
    positions_.pop_front();
    if (Stands(position)) Erase(position.queue, position.offset);
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
  sorted_ = true;
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
  absl::flat_hash_map<QueueKey, QueueStretch> found;
  const MutexLock lock(&mutex_);
  for (const Position& position : positions_) {
    if (position.log_offset >= offset || !Stands(position)) continue;
    QueueStretch& stretch =
        found
            .try_emplace(position.queue,
                         QueueStretch{position.queue, position.offset, position.offset + 1})
            .first->second;
    stretch.from = std::min(stretch.from, position.offset);
    stretch.to = std::max(stretch.to, position.offset + 1);
  }
  std::vector<QueueStretch> stretches;
  for (const auto& [queue, stretch] : found) stretches.push_back(stretch);
  return stretches;
}

}  // namespace mansio::store
