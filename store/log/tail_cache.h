#ifndef MANSIO_STORE_LOG_TAIL_CACHE_H_
#define MANSIO_STORE_LOG_TAIL_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "common/sync/sync.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

// The newest part of the log in memory, in chunks of contiguous log. The log thread encodes frames
// straight into it, so a batch is written to the file from here and a hot read costs one short
// look-up. A reader's reference keeps a whole chunk alive after it has left the cache; such pinned
// bytes count against the limit, so that slow readers shrink the cache and do not grow the process.
class TailCache {
 public:
  // `limit_bytes` for all chunks together; those being written are kept whatever the limit.
  explicit TailCache(uint64_t limit_bytes);
  ~TailCache();
  TailCache(const TailCache&) = delete;
  TailCache& operator=(const TailCache&) = delete;

  // Room for one frame at log offset `offset`, contiguous. `offset` never falls. The memory stays
  // valid until the second call of Publish from now, whatever is evicted. Log thread only.
  char* Reserve(LogOffset offset, size_t bytes);

  // Makes everything below `end` that was reserved readable. Log thread only.
  void Publish(LogOffset end);

  // Forgets everything: the log goes on at `end`, below where it was. Log thread only.
  void Restart(LogOffset end);

  // Bytes [offset, offset+size), or nullopt when they are not, or not completely, in the cache. Any
  // thread; the lock inside is held for a binary search.
  std::optional<LogBytes> Find(LogOffset offset, size_t size) const;

  // Bytes of all chunks that are alive, pinned ones included. Any thread; for metrics and tests.
  uint64_t bytes() const;

 private:
  class Buffers;
  class Chunk;

  void BeginChunk(LogOffset offset, size_t bytes);

  const uint64_t limit_;
  const size_t chunk_bytes_;
  const std::shared_ptr<Buffers> buffers_;  // shared with the chunks, which may outlive the cache
  // What the log thread still uses: the chunks of the batch at hand and of the one before; the last
  // one is being filled. Log thread only.
  std::vector<std::shared_ptr<Chunk>> writing_;
  LogOffset published_ = 0;
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(mutex_);  // by offset
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_TAIL_CACHE_H_
