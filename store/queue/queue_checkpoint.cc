#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "store/queue/consume_queues.h"

// How queues get into a checkpoint or a snapshot, and back.
namespace mansio::store {

QueueCapture ConsumeQueues::Capture() {
  QueueCapture capture;
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (const QueueKey key : shard.dirty) {
      const auto it = shard.queues.find(key);
      if (it == shard.queues.end()) continue;
      Queue& queue = it->second;
      QueueCapture::Queue& saved = capture.queues.emplace_back();
      saved.key = key;
      saved.record = {queue.min, queue.next, queue.first_time};
      saved.saved = queue.saved;
      saved.run_time = std::exchange(queue.run_time, 0);
      saved.trimmed = std::exchange(queue.trimmed, false);
      queue.dirty = false;
      if (queue.saved == queue.next) continue;
      const uint64_t last = (queue.next - 1) / kBlockEntries;
      for (uint64_t index = queue.saved / kBlockEntries; index <= last; ++index) {
        saved.blocks.push_back(shard.blocks.at(BlockKey{key, index}));
      }
    }
    shard.dirty.clear();
  }
  const MutexLock lock(&dropped_mutex_);
  capture.dropped_topics.swap(dropped_topics_);
  return capture;
}

void ConsumeQueues::CaptureAll(StateSink& sink) const {
  for (const Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (const auto& [key, queue] : shard.queues) {
      if (queue.next == 0) continue;
      sink.Put(QueueRecordKey(key), EncodeQueueRecord({queue.min, queue.next, queue.first_time}));
    }
  }
  carried_.CaptureAll(sink);
}

absl::Status ConsumeQueues::AddTo(KeyValueBatch& batch, const QueueCapture& capture) const {
  for (const uint32_t topic : capture.dropped_topics) {
    const std::string runs = TopicRunPrefix(topic);
    const std::string records = TopicRecordPrefix(topic);
    batch.DeleteRange(runs, PrefixEnd(runs));
    batch.DeleteRange(records, PrefixEnd(records));
  }
  for (const QueueCapture::Queue& queue : capture.queues) {
    if (queue.trimmed) {
      if (absl::Status deleted = AddDeletions(batch, queue); !deleted.ok()) return deleted;
    }
    if (absl::Status added = AddRuns(batch, queue); !added.ok()) return added;
    batch.Put(QueueRecordKey(queue.key), EncodeQueueRecord(queue.record));
  }
  return absl::OkStatus();
}

absl::Status ConsumeQueues::AddDeletions(KeyValueBatch& batch,
                                         const QueueCapture::Queue& queue) const {
  const QueueOffset kept = queue.record.min / kBlockEntries * kBlockEntries;
  return checkpoint_->Scan(RunKey(queue.key, 0), RunKey(queue.key, kept),
                           [&](std::string_view key, std::string_view) {
                             batch.Delete(key);
                             return true;
                           });
}

absl::Status ConsumeQueues::AddRuns(KeyValueBatch& batch, const QueueCapture::Queue& queue) const {
  const QueueOffset next = queue.record.next;
  QueueOffset at = std::max(queue.saved, queue.record.min / kBlockEntries * kBlockEntries);
  std::vector<PackedEntry> entries;
  while (at < next) {
    const uint64_t index = at / kBlockEntries;
    const QueueOffset block_end = (index + 1) * kBlockEntries;
    const QueueOffset stop = std::min(block_end, next);
    const EntryBlock& block = *queue.blocks[index - queue.saved / kBlockEntries];
    StoreTime time = queue.run_time;
    {
      const MutexLock lock(&ShardOf(queue.key).mutex);  // the tail may be growing
      const PackedEntry* const from = block.entries.data() + (at - block.first);
      entries.assign(from, from + (stop - at));
      if (at == block.first) time = block.first_time;
    }
    QueueOffset first = at;
    if (stop == block_end && at > index * kBlockEntries) {
      // The block is complete: one value takes the place of its runs.
      absl::StatusOr<LoadedBlock> runs = Load(block.key, at);
      if (!runs.ok()) return runs.status();
      if (!runs->entries.empty()) {
        if (runs->end() != at) {
          return absl::DataLossError(fmt::format(
              "the checkpoint is damaged: queue {} of topic number {} ends at {}, not {}",
              queue.key.queue, queue.key.topic, runs->end(), at));
        }
        for (const std::string& key : runs->keys) batch.Delete(key);
        first = runs->first;
        time = runs->first_time;
        entries.insert(entries.begin(), runs->entries.begin(), runs->entries.end());
      }
    }
    batch.Put(RunKey(queue.key, first), EncodeRun(time, entries));
    at = stop;
  }
  return absl::OkStatus();
}

void ConsumeQueues::Written(const QueueCapture& capture) {
  for (const QueueCapture::Queue& saved : capture.queues) {
    Shard& shard = ShardOf(saved.key);
    const MutexLock lock(&shard.mutex);
    const auto it = shard.queues.find(saved.key);
    if (it == shard.queues.end()) continue;
    Queue& queue = it->second;
    pending_entries_ -= saved.record.next - queue.saved;
    queue.saved = saved.record.next;
    for (const std::shared_ptr<const EntryBlock>& block : saved.blocks) {
      const auto kept = shard.blocks.find(block->key);
      if (kept == shard.blocks.end() || kept->second->evictable) continue;
      if (kept->second->end() <= queue.saved) shard.lru.PushNewest(kept->second.get());
    }
  }
  EvictToLimit();
}

void ConsumeQueues::Failed(const QueueCapture& capture) {
  for (const QueueCapture::Queue& saved : capture.queues) {
    Shard& shard = ShardOf(saved.key);
    const MutexLock lock(&shard.mutex);
    const auto it = shard.queues.find(saved.key);
    if (it == shard.queues.end()) continue;
    if (saved.run_time != 0) it->second.run_time = saved.run_time;
    it->second.trimmed |= saved.trimmed;
    MarkDirty(shard, saved.key, it->second);
  }
  const MutexLock lock(&dropped_mutex_);
  dropped_topics_.insert(dropped_topics_.begin(), capture.dropped_topics.begin(),
                         capture.dropped_topics.end());
}

absl::Status ConsumeQueues::Restore(std::string_view key, std::string_view value) {
  if (key.starts_with(kCarriedPrefix)) return carried_.Restore(key, value, rebuilding_);
  const absl::StatusOr<QueueKey> queue_key = QueueOfRecordKey(key);
  if (!queue_key.ok()) return queue_key.status();
  const absl::StatusOr<QueueRecord> record = DecodeQueueRecord(value);
  if (!record.ok()) return record.status();
  uint32_t& count = topics_[queue_key->topic];
  count = std::max(count, queue_key->queue + 1);
  Shard& shard = ShardOf(*queue_key);
  const MutexLock lock(&shard.mutex);
  Queue& queue = shard.queues[*queue_key];
  const bool folded = queue.next > 0;  // a rebuild has folded what the log still has of it
  if (folded && queue.next != record->next) {
    return absl::DataLossError(fmt::format(
        "the log's snapshot has queue {} of topic number {} end at {}, but its messages "
        "end at {}",
        queue_key->queue, queue_key->topic, record->next, queue.next));
  }
  queue.min = record->min;
  queue.first_time = record->first_time;
  queue.next = queue.assigned = record->next;
  if (!folded) queue.saved = record->next;
  if (rebuilding_) {
    restored_topics_.insert(queue_key->topic);
    MarkDirty(shard, *queue_key, queue);
  }
  return absl::OkStatus();
}

void ConsumeQueues::Clear() {
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (auto& [key, block] : shard.blocks) memory_bytes_ -= block->MemoryBytes();
    shard.queues.clear();
    shard.blocks.clear();
    shard.lru = LruList();
    shard.dirty.clear();
    shard.assigned_ahead.clear();
  }
  carried_.Clear();
  pending_entries_ = 0;
  topics_.clear();
  rebuilding_ = false;
  restored_topics_.clear();
  first_seen_.reset();
  const MutexLock lock(&dropped_mutex_);
  dropped_topics_.clear();
}

void ConsumeQueues::BeginRebuild() {
  rebuilding_ = true;
  first_seen_ = std::make_unique<absl::flat_hash_map<QueueKey, QueueOffset>>();
}

void ConsumeQueues::EndRebuild() {
  rebuilding_ = false;
  absl::flat_hash_set<uint32_t> gone;
  for (const auto& [key, first] : *first_seen_) {
    if (!restored_topics_.contains(key.topic)) gone.insert(key.topic);
  }
  for (const uint32_t topic : gone) Drop(topic);
  restored_topics_.clear();
}

size_t ConsumeQueues::SkipMissing() {
  if (first_seen_ == nullptr) return 0;
  size_t skipped = 0;
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (auto& [key, queue] : shard.queues) {
      if (queue.min == queue.next) continue;
      const auto seen = first_seen_->find(key);
      const QueueOffset first = seen == first_seen_->end() ? queue.next : seen->second;
      if (queue.min >= first) continue;
      queue.min = first;
      queue.first_time = 0;
      queue.trimmed = true;
      MarkDirty(shard, key, queue);
      ++skipped;
    }
  }
  first_seen_.reset();
  return skipped;
}

}  // namespace mansio::store
