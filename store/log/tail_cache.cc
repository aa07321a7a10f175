#include "store/log/tail_cache.h"

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

namespace mansio::store {
namespace {

constexpr size_t kMinChunkBytes = 4 << 10;
constexpr size_t kMaxChunkBytes = 1 << 20;
constexpr size_t kSpareBuffers = 2;

}  // namespace

// Memory of chunks: counted while in use, and a few pieces kept, because fresh ones cost page
// faults on the log thread.
class TailCache::Buffers {
 public:
  explicit Buffers(size_t usual_bytes) : usual_bytes_(usual_bytes) {}

  std::unique_ptr<char[]> Take(size_t bytes) {
    in_use_.fetch_add(bytes, std::memory_order_relaxed);
    if (bytes == usual_bytes_) {
      MutexLock lock(&mutex_);
      if (!spare_.empty()) {
        auto buffer = std::move(spare_.back());
        spare_.pop_back();
        return buffer;
      }
    }
    return std::unique_ptr<char[]>(new char[bytes]);  // not value-initialised
  }

  void Return(std::unique_ptr<char[]> buffer, size_t bytes) {
    in_use_.fetch_sub(bytes, std::memory_order_relaxed);
    if (bytes != usual_bytes_) return;
    MutexLock lock(&mutex_);
    if (spare_.size() < kSpareBuffers) spare_.push_back(std::move(buffer));
  }

  uint64_t in_use() const { return in_use_.load(std::memory_order_relaxed); }

 private:
  const size_t usual_bytes_;
  std::atomic<uint64_t> in_use_{0};
  Mutex mutex_;
  std::vector<std::unique_ptr<char[]>> spare_ ABSL_GUARDED_BY(mutex_);
};

class TailCache::Chunk {
 public:
  Chunk(std::shared_ptr<Buffers> buffers, LogOffset first, size_t capacity)
      : buffers_(std::move(buffers)),
        first_(first),
        capacity_(capacity),
        data_(buffers_->Take(capacity)) {}
  ~Chunk() { buffers_->Return(std::move(data_), capacity_); }

  LogOffset first() const { return first_; }
  size_t capacity() const { return capacity_; }
  // Log thread only.
  LogOffset reserved() const { return first_ + reserved_; }
  bool Fits(LogOffset offset, size_t bytes) const {
    return offset == reserved() && bytes <= capacity_ - reserved_;
  }
  char* Reserve(size_t bytes) {
    char* at = data_.get() + reserved_;
    reserved_ += bytes;
    return at;
  }
  void Publish(LogOffset end) {
    const LogOffset upto = std::clamp(end, first_, reserved());
    published_.store(upto - first_, std::memory_order_release);
  }

  // Any thread.
  bool Has(LogOffset offset, size_t size) const {
    const uint64_t published = published_.load(std::memory_order_acquire);
    return offset >= first_ && offset - first_ <= published &&
           size <= published - (offset - first_);
  }
  std::string_view View(LogOffset offset, size_t size) const {
    return {data_.get() + (offset - first_), size};
  }

 private:
  const std::shared_ptr<Buffers> buffers_;
  const LogOffset first_;
  const size_t capacity_;
  std::unique_ptr<char[]> data_;
  size_t reserved_ = 0;
  std::atomic<uint64_t> published_{0};
};

TailCache::TailCache(uint64_t limit_bytes)
    : limit_(limit_bytes),
      chunk_bytes_(std::clamp<size_t>(limit_bytes / 8, kMinChunkBytes, kMaxChunkBytes)),
      buffers_(std::make_shared<Buffers>(chunk_bytes_)) {}

TailCache::~TailCache() = default;

uint64_t TailCache::bytes() const { return buffers_->in_use(); }

char* TailCache::Reserve(LogOffset offset, size_t bytes) {
  if (writing_.empty() || !writing_.back()->Fits(offset, bytes)) BeginChunk(offset, bytes);
  return writing_.back()->Reserve(bytes);
}

void TailCache::BeginChunk(LogOffset offset, size_t bytes) {
  const size_t capacity = std::max(bytes, chunk_bytes_);
  std::vector<std::shared_ptr<Chunk>> evicted;  // freed outside the lock
  {
    MutexLock lock(&mutex_);
    uint64_t kept = buffers_->in_use() + capacity;
    while (!chunks_.empty() && kept > limit_) {
      // A pinned chunk leaves too, but its bytes stay counted until its readers are done.
      const auto& oldest = chunks_.front();
      if (oldest.use_count() == 1) kept -= std::min<uint64_t>(kept, oldest->capacity());
      evicted.push_back(std::move(chunks_.front()));
      chunks_.pop_front();
    }
  }
  evicted.clear();
  auto chunk = std::make_shared<Chunk>(buffers_, offset, capacity);
  writing_.push_back(chunk);
  MutexLock lock(&mutex_);
  chunks_.push_back(std::move(chunk));
}

void TailCache::Publish(LogOffset end) {
  for (const auto& chunk : writing_) chunk->Publish(end);
  while (writing_.size() > 1 && writing_.front()->reserved() <= published_) {
    writing_.erase(writing_.begin());
  }
  published_ = end;
}

void TailCache::Restart(LogOffset end) {
  std::deque<std::shared_ptr<Chunk>> dropped;  // freed outside the lock
  writing_.clear();
  published_ = end;
  MutexLock lock(&mutex_);
  dropped.swap(chunks_);
}

std::optional<LogBytes> TailCache::Find(LogOffset offset, size_t size) const {
  std::shared_ptr<const Chunk> chunk;
  {
    MutexLock lock(&mutex_);
    auto after = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                  [](LogOffset at, const std::shared_ptr<Chunk>& candidate) {
                                    return at < candidate->first();
                                  });
    if (after == chunks_.begin()) return std::nullopt;
    chunk = *std::prev(after);
  }
  if (!chunk->Has(offset, size)) return std::nullopt;
  const std::string_view bytes = chunk->View(offset, size);
  return LogBytes{std::move(chunk), bytes};
}

}  // namespace mansio::store
