#ifndef MANSIO_STORE_QUEUE_CARRY_TABLE_H_
#define MANSIO_STORE_QUEUE_CARRY_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/sync/sync.h"
#include "store/checkpoint/key_value_store.h"
#include "store/queue/entry_format.h"
#include "store/state_machine.h"
#include "store/store.h"
#include "store/types.h"

namespace mansio::store {

// Where a message stands that was carried forward out of a segment on its way out.
struct CarryPlace {
  QueueKey queue;
  QueueOffset offset = 0;
  LogOffset old_offset = 0;  // of the message record before
  QueueEntry entry;          // now
};

// A stretch of one queue, [from, to).
struct QueueStretch {
  QueueKey queue;
  QueueOffset from = 0;
  QueueOffset to = 0;
};

// The queue entries of messages that were carried forward (design section 5). Few and far between:
// by queue and offset, in memory, saved as the values of blocks that changed. Part of the fold:
// changes come from the log thread only. Reads are for any thread.
class CarryTable {
 public:
  // --- Log thread.

  // Where the message stands now. A place that is known already is only changed when it is the old
  // one, so that a carry that comes twice, or late, does nothing.
  void Carry(const CarryPlace& place);
  // The log begins at `offset` now: forgets the entries below it, which nobody carried on.
  void TrimBelow(LogOffset offset);
  // The message is needed no more.
  void Forget(QueueKey queue, QueueOffset offset);
  void DropTopic(uint32_t topic);
  void Clear();

  // Adds the blocks that changed since the last call, as of now; deletes those that are empty.
  void CaptureDirty(KeyValueBatch& batch);
  void CaptureAll(StateSink& sink) const;
  // Takes back a pair. `changed`: the next CaptureDirty gives it again.
  absl::Status Restore(std::string_view key, std::string_view value, bool changed);

  // --- Any thread.

  bool empty() const { return bytes() == 0; }
  // Of the messages, in the log.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  bool Has(QueueKey queue, QueueOffset offset) const;
  // The entries at `from` and directly behind it, at most `max`, below `end`.
  std::vector<QueueEntry> Run(QueueKey queue, QueueOffset from, QueueOffset end, size_t max) const;
  // The entries from `from` on and below `end`, lowest first, at most `max`.
  std::vector<CarriedEntry> List(QueueKey queue, QueueOffset from, QueueOffset end,
                                 size_t max) const;
  // For each queue with entries below `offset` of the log: from the first to behind the last. Takes
  // the lock for a little at a time; what changes meanwhile may be missing.
  std::vector<QueueStretch> Below(LogOffset offset) const;

 private:
  using Entries = absl::btree_map<QueueOffset, PackedEntry>;

  void Add(QueueKey queue, QueueOffset offset, const QueueEntry& entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(QueueKey queue, QueueOffset offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<uint64_t> bytes_{0};
  mutable Mutex mutex_;
  absl::flat_hash_map<QueueKey, Entries> queues_ ABSL_GUARDED_BY(mutex_);
  // Whose entry stands at a log offset: every entry once.
  absl::btree_map<LogOffset, std::pair<QueueKey, QueueOffset>> positions_ ABSL_GUARDED_BY(mutex_);
  absl::btree_set<std::pair<QueueKey, QueueOffset>> dirty_ ABSL_GUARDED_BY(mutex_);  // blocks
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_QUEUE_CARRY_TABLE_H_
