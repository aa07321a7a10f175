#include "store/queue/consume_queues.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

// The fold: what the log thread does to queues. queue_reads.cc and queue_checkpoint.cc have the
// rest.
namespace mansio::store {

ConsumeQueues::ConsumeQueues(uint64_t memory_limit, const KeyValueStore* checkpoint)
    : memory_limit_(memory_limit), checkpoint_(checkpoint) {}

ConsumeQueues::~ConsumeQueues() = default;

ConsumeQueues::Shard& ConsumeQueues::ShardOf(QueueKey queue) const {
  return shards_[(absl::HashOf(queue) >> 48) % kShards];  // the maps inside use the low bits
}

void ConsumeQueues::Define(uint32_t topic, uint32_t queues) {
  uint32_t& count = topics_[topic];
  for (uint32_t index = 0; index < queues; ++index) {
    const QueueKey key{topic, index};
    Shard& shard = ShardOf(key);
    const MutexLock lock(&shard.mutex);
    const auto [queue, added] = shard.queues.try_emplace(key);
    if (!added || shard.assigned_ahead.empty()) continue;
    if (const auto ahead = shard.assigned_ahead.find(key); ahead != shard.assigned_ahead.end()) {
      queue->second.assigned = ahead->second;
      shard.assigned_ahead.erase(ahead);
    }
  }
  count = std::max(count, queues);
}

void ConsumeQueues::Drop(uint32_t topic) {
  const auto found = topics_.find(topic);
  if (found == topics_.end()) return;
  for (uint32_t index = 0; index < found->second; ++index) {
    const QueueKey key{topic, index};
    Shard& shard = ShardOf(key);
    const MutexLock lock(&shard.mutex);
    const auto it = shard.queues.find(key);
    if (it == shard.queues.end()) continue;
    EraseBlocks(shard, key, it->second);
    pending_entries_ -= it->second.next - it->second.saved;
    shard.queues.erase(it);
  }
  topics_.erase(found);
  carried_.DropTopic(topic);
  const MutexLock lock(&dropped_mutex_);
  dropped_topics_.push_back(topic);
}

QueueOffset ConsumeQueues::AssignOffset(QueueKey key) {
  Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  return it == shard.queues.end() ? shard.assigned_ahead[key]++ : it->second.assigned++;
}

absl::Status ConsumeQueues::Append(QueueKey key, QueueOffset offset, const QueueEntry& entry,
                                   StoreTime store_time) {
  Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  auto it = shard.queues.find(key);
  if (it == shard.queues.end()) {
    if (!rebuilding_) {
      shard.assigned_ahead.erase(key);
      return absl::OkStatus();
    }
    it = shard.queues.try_emplace(key).first;
    Queue& created = it->second;
    created.min = created.next = created.saved = offset;
    uint32_t& count = topics_[key.topic];
    count = std::max(count, key.queue + 1);
  }
  Queue& queue = it->second;
  if (queue.next != offset) {
    return absl::DataLossError(
        fmt::format("queue {} of topic number {} goes on with offset {} at log offset {}, where {} "
                    "was to come",
                    key.queue, key.topic, offset, entry.log_offset, queue.next));
  }
  if (first_seen_ != nullptr) first_seen_->try_emplace(key, offset);
  if (queue.next == queue.min) queue.first_time = store_time;
  if (queue.run_time == 0) queue.run_time = store_time;
  const BlockKey block{key, offset / kBlockEntries};
  if (queue.tail == nullptr || queue.tail->key.index != block.index) {
    // A block read back from the checkpoint may be that of the tail: go on in it.
    const auto kept = shard.blocks.find(block);
    queue.tail = kept != shard.blocks.end() ? kept->second.get()
                                            : NewBlock(shard, block, offset, store_time);
  }
  if (queue.tail->evictable) shard.lru.Remove(queue.tail);
  Push(queue.tail, entry);
  ++queue.next;
  queue.assigned = std::max(queue.assigned, queue.next);
  pending_entries_.fetch_add(1, std::memory_order_relaxed);
  MarkDirty(shard, key, queue);
  return absl::OkStatus();
}

void ConsumeQueues::Trim(QueueKey key, QueueOffset min) {
  Shard& shard = ShardOf(key);
  const MutexLock lock(&shard.mutex);
  const auto it = shard.queues.find(key);
  if (it == shard.queues.end()) return;
  Queue& queue = it->second;
  min = std::min(min, queue.next);
  if (min <= queue.min) return;
  queue.min = min;
  queue.first_time = 0;  // old enough to be trimmed up to: nobody asks more precisely
  queue.trimmed = true;
  MarkDirty(shard, key, queue);
}

void ConsumeQueues::Carry(const CarryPlace& place) {
  {
    const Shard& shard = ShardOf(place.queue);
    const MutexLock lock(&shard.mutex);
    const auto it = shard.queues.find(place.queue);
    if (it == shard.queues.end() || place.offset >= it->second.next) return;
    // Below the minimum only a carried entry can stand. Above it, the entry of the queue never
    // moves, and is where the carry took the message from unless it was carried before.
    if (place.offset < it->second.min && !carried_.Has(place.queue, place.offset)) return;
  }
  carried_.Carry(place);
}

EntryBlock* ConsumeQueues::NewBlock(Shard& shard, BlockKey key, QueueOffset first,
                                    StoreTime first_time) {
  auto block = std::make_shared<EntryBlock>();
  block->key = key;
  block->first = first;
  block->first_time = first_time;
  EntryBlock* const raw = block.get();
  memory_bytes_ += raw->MemoryBytes();
  shard.blocks[key] = std::move(block);
  return raw;
}

void ConsumeQueues::Push(EntryBlock* block, const QueueEntry& entry) {
  const size_t before = block->entries.capacity();
  if (block->entries.empty()) block->entries.reserve(4);
  block->entries.push_back(PackEntry(entry));
  memory_bytes_.fetch_add((block->entries.capacity() - before) * kEntryBytes,
                          std::memory_order_relaxed);
}

void ConsumeQueues::EraseBlock(Shard& shard, EntryBlock* block) {
  if (block->evictable) shard.lru.Remove(block);
  const auto queue = shard.queues.find(block->key.queue);
  if (queue != shard.queues.end() && queue->second.tail == block) queue->second.tail = nullptr;
  memory_bytes_ -= block->MemoryBytes();
  shard.blocks.erase(block->key);
}

void ConsumeQueues::EraseBlocks(Shard& shard, QueueKey key, const Queue& queue) {
  if (queue.next == 0) return;
  // Blocks that are older than this are evictable, and go that way.
  const uint64_t first = std::min(queue.min, queue.saved) / kBlockEntries;
  const uint64_t last = (queue.next - 1) / kBlockEntries;
  std::vector<EntryBlock*> blocks;
  if (last >= first && last - first > shard.blocks.size()) {
    for (const auto& [at, block] : shard.blocks) {
      if (at.queue == key) blocks.push_back(block.get());
    }
  } else {
    for (uint64_t index = first; index <= last; ++index) {
      const auto it = shard.blocks.find(BlockKey{key, index});
      if (it != shard.blocks.end()) blocks.push_back(it->second.get());
    }
  }
  for (EntryBlock* block : blocks) EraseBlock(shard, block);
}

void ConsumeQueues::MarkDirty(Shard& shard, QueueKey key, Queue& queue) {
  if (queue.dirty) return;
  queue.dirty = true;
  shard.dirty.push_back(key);
}

}  // namespace mansio::store
