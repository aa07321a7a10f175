#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "store/queue/consume_queues.h"

// What any thread reads of queues, and the blocks that it brings back into memory.
namespace mansio::store {

QueueRange ConsumeQueues::Range(QueueKey key) const {
  const Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  if (it == shard.queues.end()) return {};
  return {std::max(it->second.min, it->second.announced), it->second.next};
}

std::vector<CarriedEntry> ConsumeQueues::Carried(QueueKey key, QueueOffset from, size_t max) const {
  return carried_.List(key, from, OwnRange(key).min, max);
}

QueueRange ConsumeQueues::OwnRange(QueueKey key) const {
  const Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  if (it == shard.queues.end()) return {};
  return {it->second.min, it->second.next};
}

std::optional<StoreTime> ConsumeQueues::FirstStoreTime(QueueKey key) const {
  const Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  if (it == shard.queues.end() || it->second.min == it->second.next) return std::nullopt;
  return it->second.first_time;
}

bool ConsumeQueues::NeverTrimmed(QueueKey key) const { return Range(key).min == 0; }

void ConsumeQueues::CopyHot(const Shard& shard, QueueKey key, QueueOffset from, QueueOffset end,
                            std::vector<QueueEntry>& out) const {
  while (from < end) {
    const auto it = shard.blocks.find(BlockKey{key, from / kBlockEntries});
    if (it == shard.blocks.end() || !it->second->Holds(from)) return;
    EntryBlock* const block = it->second.get();
    if (block->evictable) shard.lru.Touch(block);
    const QueueOffset stop = std::min(end, block->end());
    for (; from < stop; ++from) out.push_back(UnpackEntry(block->entries[from - block->first]));
  }
}

std::optional<std::vector<QueueEntry>> ConsumeQueues::HotEntries(QueueKey key, QueueOffset from,
                                                                 size_t max) const {
  const Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  std::vector<QueueEntry> entries;
  if (it == shard.queues.end() || from >= it->second.next) return entries;
  if (from < it->second.min) return carried_.Run(key, from, it->second.min, max);
  const QueueOffset count = std::min<QueueOffset>(max, it->second.next - from);
  entries.reserve(std::min(count, kBlockEntries));
  CopyHot(shard, key, from, from + count, entries);
  if (entries.size() < count) return std::nullopt;
  return entries;
}

absl::StatusOr<std::vector<QueueEntry>> ConsumeQueues::ReadEntries(QueueKey key, QueueOffset from,
                                                                   size_t max) {
  std::vector<QueueEntry> entries;
  for (int misses = 0;;) {
    QueueOffset at = 0;
    QueueOffset end = 0;
    {
      Shard& shard = ShardOf(key);
      const MutexLock lock(&shard.mutex);
      const auto it = shard.queues.find(key);
      if (it == shard.queues.end() || from >= it->second.next) return entries;
      if (from < it->second.min) {
        entries = carried_.Run(key, from, it->second.min, max);
        if (!entries.empty()) return entries;
        return absl::OutOfRangeError(
            fmt::format("offset {} of queue {} is gone: retention keeps it from {} on", from,
                        key.queue, it->second.min));
      }
      end = from + std::min<QueueOffset>(max, it->second.next - from);
      // What the last turn loaded may be evicted again already: it is in `entries`.
      CopyHot(shard, key, from + entries.size(), end, entries);
      at = from + entries.size();
      if (at >= end) break;
    }
    const BlockKey block{key, at / kBlockEntries};
    absl::StatusOr<LoadedBlock> loaded = Load(block, (block.index + 1) * kBlockEntries);
    if (!loaded.ok()) return loaded.status();
    Keep(block, *loaded);
    if (at < loaded->first || at >= loaded->end()) {
      // Trimmed or dropped since the range was read, or back in memory; else the entry is missing.
      if (++misses < 3) continue;
      return absl::DataLossError(fmt::format(
          "the checkpoint has lost the entry {} of queue {} of topic number {}: stop the "
          "broker, delete the directory \"checkpoint\" and start it again; it is "
          "rebuilt from the log",
          at, key.queue, key.topic));
    }
    for (; at < std::min(end, loaded->end()); ++at) {
      entries.push_back(UnpackEntry(loaded->entries[at - loaded->first]));
    }
    if (at >= end) break;
  }
  EvictToLimit();
  return entries;
}

absl::StatusOr<ConsumeQueues::LoadedBlock> ConsumeQueues::Load(BlockKey key,
                                                               QueueOffset end) const {
  LoadedBlock loaded;
  loaded.first = key.index * kBlockEntries;
  absl::Status status;
  const absl::Status scanned = checkpoint_->Scan(
      RunKey(key.queue, loaded.first), RunKey(key.queue, end),
      [&](std::string_view run_key, std::string_view value) {
        const absl::StatusOr<QueueOffset> first = OffsetOfRunKey(run_key);
        const absl::StatusOr<RunView> run = DecodeRun(value);
        if (!first.ok() || !run.ok()) {
          status = first.ok() ? run.status() : first.status();
          return false;
        }
        if (loaded.entries.empty()) {
          loaded.first = *first;
          loaded.first_time = run->first_time;
        } else if (*first != loaded.end()) {
          status = absl::DataLossError(fmt::format(
              "the checkpoint is damaged: queue {} of topic number {} has a run at {} where {} was "
              "to come",
              key.queue.queue, key.queue.topic, *first, loaded.end()));
          return false;
        }
        loaded.keys.emplace_back(run_key);
        for (size_t i = 0; i < run->count; ++i) loaded.entries.push_back(run->At(i));
        return true;
      });
  if (!scanned.ok()) return scanned;
  if (!status.ok()) return status;
  return loaded;
}

void ConsumeQueues::Keep(BlockKey key, const LoadedBlock& loaded) {
  if (loaded.entries.empty()) return;
  Shard& shard = ShardOf(key.queue);
  const MutexLock lock(&shard.mutex);
  const auto queue = shard.queues.find(key.queue);
  if (queue == shard.queues.end()) return;
  const auto it = shard.blocks.find(key);
  if (it == shard.blocks.end()) {
    // Only if nothing was added since it was read: a block in memory always reaches to its end.
    if (loaded.end() < std::min((key.index + 1) * kBlockEntries, queue->second.next)) return;
    EntryBlock* const block = NewBlock(shard, key, loaded.first, loaded.first_time);
    block->entries = loaded.entries;
    memory_bytes_ += block->entries.capacity() * kEntryBytes;
    shard.lru.PushNewest(block);
    return;
  }
  EntryBlock* const block = it->second.get();
  if (loaded.first >= block->first || loaded.end() < block->first) return;
  const size_t before = block->MemoryBytes();
  block->entries.insert(
      block->entries.begin(), loaded.entries.begin(),
      loaded.entries.begin() + static_cast<ptrdiff_t>(block->first - loaded.first));
  block->first = loaded.first;
  block->first_time = loaded.first_time;
  memory_bytes_ += block->MemoryBytes() - before;
}

void ConsumeQueues::EvictToLimit() {
  size_t empty = 0;
  while (memory_bytes_.load(std::memory_order_relaxed) > memory_limit_ && empty < kShards) {
    Shard& shard = shards_[eviction_turn_.fetch_add(1, std::memory_order_relaxed) % kShards];
    const MutexLock lock(&shard.mutex);
    EntryBlock* const oldest = shard.lru.oldest();
    if (oldest == nullptr) {
      ++empty;
      continue;
    }
    EraseBlock(shard, oldest);
    empty = 0;
  }
}

absl::StatusOr<QueueOffset> ConsumeQueues::FirstAt(QueueKey key, QueueRange range,
                                                   LogOffset offset) {
  QueueOffset low = range.min;
  QueueOffset high = range.next;
  // Most queues are wholly on one side: look at the ends first.
  QueueOffset probe = low;
  for (int step = 0; low < high; ++step) {
    const absl::StatusOr<std::vector<QueueEntry>> entry = ReadEntries(key, probe, 1);
    if (!entry.ok()) return entry.status();
    if (entry->empty()) return high;  // the topic was deleted meanwhile
    if (entry->front().log_offset < offset) {
      low = probe + 1;
    } else {
      high = probe;
    }
    probe = step == 0 && low < high ? high - 1 : low + (high - low) / 2;
  }
  return low;
}

void ConsumeQueues::Announce(std::vector<QueueMinimum> minima) {
  const MutexLock announcing(&announce_mutex_);
  const auto set = [this](QueueKey key, QueueOffset min) {
    Shard& shard = ShardOf(key);
    const MutexLock lock(&shard.mutex);
    const auto it = shard.queues.find(key);
    if (it != shard.queues.end()) it->second.announced = min;
  };
  for (const QueueMinimum& minimum : announced_) set(minimum.queue, 0);
  for (const QueueMinimum& minimum : minima) set(minimum.queue, minimum.min);
  announced_ = std::move(minima);
}

absl::StatusOr<QueueEntry> ConsumeQueues::Place(QueueKey key, QueueOffset offset) {
  if (const auto carried = carried_.Run(key, offset, offset + 1, 1); !carried.empty()) {
    return carried.front();
  }
  const absl::StatusOr<std::vector<QueueEntry>> entries = ReadEntries(key, offset, 1);
  if (!entries.ok() && !absl::IsOutOfRange(entries.status())) return entries.status();
  if (entries.ok() && !entries->empty()) return entries->front();
  return absl::NotFoundError(
      fmt::format("message {} of queue {} of topic number {} is gone: retention has deleted it",
                  offset, key.queue, key.topic));
}

absl::StatusOr<std::vector<QueueMinimum>> ConsumeQueues::MinimaAt(LogOffset offset) {
  std::vector<QueueMinimum> minima;
  for (Shard& shard : shards_) {
    std::vector<std::pair<QueueKey, QueueRange>> ranges;
    {
      const MutexLock lock(&shard.mutex);
      for (const auto& [key, queue] : shard.queues) {
        if (queue.min < queue.next) ranges.push_back({key, {queue.min, queue.next}});
      }
    }
    for (const auto& [key, range] : ranges) {
      const absl::StatusOr<QueueOffset> first = FirstAt(key, range, offset);
      if (!first.ok()) return first.status();
      if (*first > range.min) minima.push_back({key, *first});
    }
  }
  std::sort(minima.begin(), minima.end(),
            [](const QueueMinimum& a, const QueueMinimum& b) { return a.queue < b.queue; });
  return minima;
}

}  // namespace mansio::store
