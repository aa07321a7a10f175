#ifndef MANSIO_STORE_QUEUE_ENTRY_BLOCK_H_
#define MANSIO_STORE_QUEUE_ENTRY_BLOCK_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "store/queue/entry_format.h"
#include "store/types.h"

namespace mansio::store {

// The 256 offsets of a queue from `index` * 256 on.
struct BlockKey {
  QueueKey queue;
  uint64_t index = 0;
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const BlockKey& k) {
    return H::combine(std::move(h), k.queue, k.index);
  }
};

// The part of a block that is in memory: a contiguous run of entries that grows at its end (the
// queue's tail) or, when read back, at its front. Guarded by the lock of its shard.
struct EntryBlock {
  BlockKey key;
  QueueOffset first = 0;     // offset of entries[0]
  StoreTime first_time = 0;  // of entries[0]
  std::vector<PackedEntry> entries;

  // Least-recently-used list of its shard; only blocks that are wholly in a checkpoint are in it.
  EntryBlock* newer = nullptr;
  EntryBlock* older = nullptr;
  bool evictable = false;

  QueueOffset end() const { return first + entries.size(); }
  bool Holds(QueueOffset offset) const { return offset >= first && offset < end(); }
  // What it counts for the limit, bookkeeping included.
  size_t MemoryBytes() const { return kOverhead + entries.capacity() * kEntryBytes; }

  // Control block of its shared_ptr and its place in the shard's map.
  static constexpr size_t kOverhead = 176;
};

// A list of blocks from the most to the least recently used. Does not own them.
class LruList {
 public:
  void PushNewest(EntryBlock* block) {
    block->evictable = true;
    block->older = newest_;
    block->newer = nullptr;
    (newest_ != nullptr ? newest_->newer : oldest_) = block;
    newest_ = block;
  }
  void Remove(EntryBlock* block) {
    (block->newer != nullptr ? block->newer->older : newest_) = block->older;
    (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
    block->newer = block->older = nullptr;
    block->evictable = false;
  }
  void Touch(EntryBlock* block) {
    if (block == newest_) return;
    Remove(block);
    PushNewest(block);
  }
  EntryBlock* oldest() const { return oldest_; }

 private:
  EntryBlock* newest_ = nullptr;
  EntryBlock* oldest_ = nullptr;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_QUEUE_ENTRY_BLOCK_H_
