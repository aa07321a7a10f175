#ifndef MANSIO_BROKER_DEADLETTER_REMOVED_OFFSETS_H_
#define MANSIO_BROKER_DEADLETTER_REMOVED_OFFSETS_H_

#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "store/types.h"

namespace mansio::broker {

// A set of offsets of one queue that mostly come in runs: a bitmap for each chunk of 1,024 offsets,
// none for a chunk that is complete. Not thread-safe.
class RemovedOffsets {
 public:
  static constexpr store::QueueOffset kChunk = 1024;
  static uint64_t ChunkOf(store::QueueOffset offset) { return offset / kChunk; }

  // False when it is in the set already.
  bool Add(store::QueueOffset offset);
  bool Contains(store::QueueOffset offset) const;
  // How many there are in [from, to).
  uint64_t CountIn(store::QueueOffset from, store::QueueOffset to) const;
  // The first offset from `offset` on that is not in the set.
  store::QueueOffset Skip(store::QueueOffset offset) const;
  // The same backwards: all of [result, offset) are in the set, and what is before them is not.
  store::QueueOffset SkipBack(store::QueueOffset offset) const;
  // Forgets the chunks that end at or before `offset`; returns their numbers.
  std::vector<uint64_t> ForgetBefore(store::QueueOffset offset);

  std::vector<uint64_t> chunks() const;
  // One chunk as bytes, "" when there is nothing in it, and back. DataLoss for bytes that are none.
  std::string Encode(uint64_t chunk) const;
  absl::Status Decode(uint64_t chunk, std::string_view bytes);

 private:
  struct Chunk {
    uint32_t count = 0;
    std::unique_ptr<std::bitset<kChunk>> bits;  // null: all of them
    bool Has(size_t bit) const { return bits == nullptr || bits->test(bit); }
  };
  absl::btree_map<uint64_t, Chunk> chunks_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_REMOVED_OFFSETS_H_
