#ifndef MANSIO_COMMON_METRICS_HISTOGRAM_H_
#define MANSIO_COMMON_METRICS_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

// What the threads that do the work count with: relaxed atomics and nothing else, so that counting
// costs some nanoseconds. Whoever scrapes reads them while they change. Everything here is
// thread-safe.
namespace mansio::metrics {

// Nanoseconds of a clock that never goes back; for durations only.
inline int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A number that only grows, from 0 at the start of the process.
class Counter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// The content of a histogram at one time. Bucket i counts values <= bounds[i] that no bucket before
// it counts; the last one, without a bound, counts the rest.
struct HistogramSnapshot {
  std::vector<int64_t> bounds;
  std::vector<uint64_t> buckets;
  int64_t sum = 0;

  uint64_t count() const {
    uint64_t all = 0;
    for (const uint64_t n : buckets) all += n;
    return all;
  }
  // Adds what another histogram with the same bounds holds.
  void Merge(const HistogramSnapshot& other) {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    sum += other.sum;
  }
  // The same values in fewer buckets; `coarser` is a part of `bounds`.
  HistogramSnapshot Coarser(const std::vector<int64_t>& coarser) const {
    HistogramSnapshot result{coarser, std::vector<uint64_t>(coarser.size() + 1), sum};
    size_t to = 0;
    for (size_t from = 0; from < buckets.size(); ++from) {
      while (to < coarser.size() && (from == bounds.size() || bounds[from] > coarser[to])) ++to;
      result.buckets[to] += buckets[from];
    }
    return result;
  }
};

// Counts values in buckets whose upper bounds are the ascending array `kBounds`, in the unit that
// Record is given.
template <const auto& kBounds>
class Histogram {
 public:
  void Record(int64_t value) {
    size_t bucket = 0;
    while (bucket < kBounds.size() && value > kBounds[bucket]) ++bucket;
    buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  HistogramSnapshot Snapshot() const {
    HistogramSnapshot snapshot{{kBounds.begin(), kBounds.end()}, {}, sum_.load()};
    for (const auto& bucket : buckets_) snapshot.buckets.push_back(bucket.load());
    return snapshot;
  }

 private:
  std::array<std::atomic<uint64_t>, kBounds.size() + 1> buckets_{};
  std::atomic<int64_t> sum_{0};
};

inline constexpr int64_t kMicro = 1'000;  // nanoseconds
inline constexpr int64_t kMilli = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000'000;

}  // namespace mansio::metrics

#endif  // MANSIO_COMMON_METRICS_HISTOGRAM_H_
