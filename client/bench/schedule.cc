#include "client/bench/schedule.h"

namespace mansio::bench {

Schedule::Schedule(Kind kind, double per_second, int64_t start, uint64_t seed)
    : kind_(kind), gap_(1e9 / per_second), start_(start), random_(seed) {}

int64_t Schedule::Next() {
  const int64_t time = start_ + static_cast<int64_t>(offset_);
  offset_ += kind_ == Kind::kUniform ? gap_ : std::exponential_distribution<>(1 / gap_)(random_);
  return time;
}

}  // namespace mansio::bench
