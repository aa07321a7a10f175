#include "client/bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace mansio::bench {
namespace {

// Values below 2^11 have a bucket each; above, every power of two is divided into 2^10 buckets.
constexpr int kLinearBits = 11;
constexpr int64_t kHalf = int64_t{1} << (kLinearBits - 1);
constexpr int64_t kLongest = (int64_t{1} << 43) - 1;  // 2.4 hours

size_t BucketOf(int64_t value) {
  const int bits = static_cast<int>(std::bit_width(static_cast<uint64_t>(value)));
  const int shift = std::max(bits - kLinearBits, 0);
  return static_cast<size_t>(shift * kHalf + (value >> shift));
}

// The largest value in bucket `index`.
int64_t TopOf(size_t index) {
  const auto number = static_cast<int64_t>(index);
  const int64_t shift = std::max<int64_t>(number / kHalf - 1, 0);
  return ((number - shift * kHalf + 1) << shift) - 1;
}

}  // namespace

Histogram::Histogram() : buckets_(BucketOf(kLongest) + 1) {}

void Histogram::Record(int64_t nanos) {
  const int64_t value = std::clamp<int64_t>(nanos, 0, kLongest);
  ++buckets_[BucketOf(value)];
  ++count_;
  max_ = std::max(max_, value);
  sum_ += static_cast<double>(value);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double Histogram::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

int64_t Histogram::Quantile(double fraction) const {
  if (count_ == 0) return 0;
  const auto wanted = std::clamp<int64_t>(
      static_cast<int64_t>(std::ceil(fraction * static_cast<double>(count_))), 1, count_);
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= wanted) return std::min(TopOf(i), max_);
  }
  return max_;
}

}  // namespace mansio::bench
