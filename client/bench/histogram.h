#ifndef MANSIO_CLIENT_BENCH_HISTOGRAM_H_
#define MANSIO_CLIENT_BENCH_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace mansio::bench {

// Counts durations in buckets whose width grows with the value, so that every quantile is exact to
// three significant digits (1/1024) between 1 ns and 2.4 hours; the idea is Gil Tene's
// HdrHistogram. Longer durations count as the longest. Not thread-safe.
class Histogram {
 public:
  Histogram();

  // Counts one duration in nanoseconds; a negative one counts as 0.
  void Record(int64_t nanos);
  // Adds all that `other` has counted.
  void Merge(const Histogram& other);

  int64_t count() const { return count_; }
  // The longest duration counted, exactly; 0 when there is none.
  int64_t max() const { return max_; }
  // The mean; 0 when there is none.
  double mean() const;
  // The smallest duration that at least `fraction` (0 to 1) of the counted ones do not exceed, up
  // to the bucket's width; 0 when there is none.
  int64_t Quantile(double fraction) const;

 private:
  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_HISTOGRAM_H_
