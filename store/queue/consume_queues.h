#ifndef MANSIO_STORE_QUEUE_CONSUME_QUEUES_H_
#define MANSIO_STORE_QUEUE_CONSUME_QUEUES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/sync/sync.h"
#include "store/checkpoint/key_value_store.h"
#include "store/queue/carry_table.h"
#include "store/queue/entry_block.h"
#include "store/queue/entry_format.h"
#include "store/state_machine.h"
#include "store/store.h"
#include "store/types.h"

namespace mansio::store {

// What one checkpoint saves of the queues: made on the log thread, written by the checkpoint
// thread. It shares the blocks, so that a topic deleted meanwhile can still be saved as it was.
struct QueueCapture {
  struct Queue {
    QueueKey key;
    QueueRecord record;
    QueueOffset saved = 0;   // entries below are in the checkpoint already
    StoreTime run_time = 0;  // store time of the first entry that is not
    bool trimmed = false;
    absl::InlinedVector<std::shared_ptr<const EntryBlock>, 1> blocks;
  };
  std::vector<Queue> queues;
  std::vector<uint32_t> dropped_topics;
};

// A queue and its first offset that is still to be read.
struct QueueMinimum {
  QueueKey queue;
  QueueOffset min = 0;
};

// The ConsumeQueues of all topics (design section 5): per queue a dense sequence of entries. The
// tail and what no checkpoint holds yet are in memory; older blocks are read from the checkpoint
// and kept under one limit for all queues, least recently used out first. An empty queue costs
// about 100 bytes and no descriptor.
//
// "Log thread" below means the one thread that folds the log, during recovery the recovering one.
class ConsumeQueues {
 public:
  // `memory_limit`: bytes of blocks kept; entries not yet in a checkpoint count, but stay whatever
  // the limit. `checkpoint` is borrowed and read by ReadEntries and AddTo.
  ConsumeQueues(uint64_t memory_limit, const KeyValueStore* checkpoint);
  ~ConsumeQueues();

  // --- Log thread: the fold.

  // Creates the missing ones of queues 0..count-1 of a topic; forgets a topic with all its queues.
  void Define(uint32_t topic, uint32_t queues);
  void Drop(uint32_t topic);
  // The next offset of a queue for a record that is being placed. For an unknown queue counts from
  // 0: the record that defines it may be in the same batch.
  QueueOffset AssignOffset(QueueKey queue);
  // Enters the message at `offset`. A message of an unknown queue (its topic was deleted while it
  // was on its way) is ignored. DataLoss when `offset` is not the queue's next one.
  absl::Status Append(QueueKey queue, QueueOffset offset, const QueueEntry& entry,
                      StoreTime store_time);
  // Moves the minimum up to `min` (at most to the end of the queue).
  void Trim(QueueKey queue, QueueOffset min);
  // Enters the new place of a message that was carried forward, if it still stands at the old one:
  // where the last carry put it, or in the queue itself.
  void Carry(const CarryPlace& place);
  // Of the carried entries: those below `offset` of the log go; that of one message goes.
  void TrimCarried(LogOffset offset) { carried_.TrimBelow(offset); }
  void ForgetCarried(QueueKey queue, QueueOffset offset) { carried_.Forget(queue, offset); }
  // Everything since the last capture.
  QueueCapture Capture();
  // Adds the carried entries that changed since the last call.
  void CaptureCarried(KeyValueBatch& batch) { carried_.CaptureDirty(batch); }
  // A queue record for each queue that ever held a message, and all carried entries, for SNAPSHOT
  // frames.
  void CaptureAll(StateSink& sink) const;

  // --- Log thread: recovery.

  // Takes back a pair that a checkpoint (with its runs in place) or a snapshot held.
  absl::Status Restore(std::string_view key, std::string_view value);
  // Forgets every queue.
  void Clear();
  // The log's beginning, and with it the records that defined topics, has been trimmed away: until
  // EndRebuild a message of an unknown queue creates it, beginning at that message.
  void BeginRebuild();
  // The snapshot has been restored: forgets the topics of which it has no queue with messages.
  void EndRebuild();
  // After the whole fold: raises the minimum of queues whose first entries are in no file any more
  // (someone deleted a segment) and returns how many there were.
  size_t SkipMissing();

  // --- Any thread. The meaning is that of the functions of the same name in store/store.h.

  QueueRange Range(QueueKey queue) const;
  std::vector<CarriedEntry> Carried(QueueKey queue, QueueOffset from, size_t max) const;
  const CarryTable& carried() const { return carried_; }
  std::optional<std::vector<QueueEntry>> HotEntries(QueueKey queue, QueueOffset from,
                                                    size_t max) const;
  absl::StatusOr<std::vector<QueueEntry>> ReadEntries(QueueKey queue, QueueOffset from, size_t max);
  std::optional<StoreTime> FirstStoreTime(QueueKey queue) const;
  bool NeverTrimmed(QueueKey queue) const;

  // Before a trim: Range begins at these minima from now on, so that consumers get no new message
  // that is about to go, while all entries can still be read. Empty: back to the queues' own.
  void Announce(std::vector<QueueMinimum> minima);
  // Range, whatever was announced.
  QueueRange OwnRange(QueueKey queue) const;
  // Where one message stands: where it was carried to, else in its queue. NotFound when retention
  // has taken it. Blocks (reads the checkpoint).
  absl::StatusOr<QueueEntry> Place(QueueKey queue, QueueOffset offset);
  // For every queue that holds messages below `offset` of the log: its first offset at or behind
  // it. Blocks (reads the checkpoint).
  absl::StatusOr<std::vector<QueueMinimum>> MinimaAt(LogOffset offset);

  // --- The thread that takes a checkpoint.

  // Adds a capture to a batch: new runs, merged blocks, queue records, deletions.
  absl::Status AddTo(KeyValueBatch& batch, const QueueCapture& capture) const;
  // The batch is durable: its entries may leave memory. Or it is lost: they come with the next one.
  void Written(const QueueCapture& capture);
  void Failed(const QueueCapture& capture);

  // Bytes of all blocks in memory, and those that no checkpoint holds.
  uint64_t MemoryBytes() const { return memory_bytes_.load(std::memory_order_relaxed); }
  uint64_t PendingBytes() const {
    return pending_entries_.load(std::memory_order_relaxed) * kEntryBytes;
  }

 private:
  struct Queue {
    QueueOffset min = 0;
    QueueOffset next = 0;
    QueueOffset assigned = 0;   // next, ahead of what is applied
    QueueOffset saved = 0;      // entries below are in the checkpoint
    QueueOffset announced = 0;  // the minimum to come, when that is greater
    StoreTime first_time = 0;   // of the message at min; 0: not known
    StoreTime run_time = 0;     // of the first entry since the last capture; 0: there is none
    EntryBlock* tail = nullptr;
    bool dirty = false;
    bool trimmed = false;
  };
  struct Shard {
    mutable Mutex mutex;
    absl::flat_hash_map<QueueKey, Queue> queues ABSL_GUARDED_BY(mutex);
    absl::flat_hash_map<BlockKey, std::shared_ptr<EntryBlock>> blocks ABSL_GUARDED_BY(mutex);
    mutable LruList lru ABSL_GUARDED_BY(mutex);
    std::vector<QueueKey> dirty ABSL_GUARDED_BY(mutex);
    // Offsets assigned in queues that are not known, until they are defined or the messages arrive.
    absl::flat_hash_map<QueueKey, QueueOffset> assigned_ahead ABSL_GUARDED_BY(mutex);
  };
  // Entries of one block as the checkpoint has them.
  struct LoadedBlock {
    QueueOffset first = 0;
    StoreTime first_time = 0;
    std::vector<PackedEntry> entries;
    std::vector<std::string> keys;  // of the runs
    QueueOffset end() const { return first + entries.size(); }
  };
  static constexpr size_t kShards = 16;

  Shard& ShardOf(QueueKey queue) const;
  EntryBlock* NewBlock(Shard& shard, BlockKey key, QueueOffset first, StoreTime first_time)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void EraseBlock(Shard& shard, EntryBlock* block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void EraseBlocks(Shard& shard, QueueKey key, const Queue& queue)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void MarkDirty(Shard& shard, QueueKey key, Queue& queue)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  void Push(EntryBlock* block, const QueueEntry& entry);

  // Appends entries from `from` to `out` until `end` or the first that is not in memory.
  void CopyHot(const Shard& shard, QueueKey queue, QueueOffset from, QueueOffset end,
               std::vector<QueueEntry>& out) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);
  absl::StatusOr<LoadedBlock> Load(BlockKey key, QueueOffset end) const;
  void Keep(BlockKey key, const LoadedBlock& loaded);
  void EvictToLimit();
  absl::StatusOr<QueueOffset> FirstAt(QueueKey queue, QueueRange range, LogOffset offset);

  absl::Status AddRuns(KeyValueBatch& batch, const QueueCapture::Queue& queue) const;
  absl::Status AddDeletions(KeyValueBatch& batch, const QueueCapture::Queue& queue) const;

  const uint64_t memory_limit_;
  const KeyValueStore* const checkpoint_;
  mutable std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> memory_bytes_{0};
  std::atomic<uint64_t> pending_entries_{0};
  std::atomic<uint32_t> eviction_turn_{0};

  CarryTable carried_;
  Mutex announce_mutex_;
  std::vector<QueueMinimum> announced_ ABSL_GUARDED_BY(announce_mutex_);

  // The log thread's own.
  absl::flat_hash_map<uint32_t, uint32_t> topics_;  // number of queues
  bool rebuilding_ = false;
  absl::flat_hash_set<uint32_t> restored_topics_;  // while rebuilding
  // From BeginRebuild to SkipMissing: the first message of each queue that the log still has.
  std::unique_ptr<absl::flat_hash_map<QueueKey, QueueOffset>> first_seen_;

  mutable Mutex dropped_mutex_;
  std::vector<uint32_t> dropped_topics_ ABSL_GUARDED_BY(dropped_mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_QUEUE_CONSUME_QUEUES_H_
