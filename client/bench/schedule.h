#ifndef MANSIO_CLIENT_BENCH_SCHEDULE_H_
#define MANSIO_CLIENT_BENCH_SCHEDULE_H_

#include <cstdint>
#include <random>

namespace mansio::bench {

// The intended start times of an open loop: what is late is measured from them, so that a stalled
// server cannot hide its stall by making the load generator wait ("coordinated omission"). Not
// thread-safe.
class Schedule {
 public:
  enum class Kind {
    kUniform,  // evenly spaced
    kPoisson,  // as from many independent clients: exponentially distributed gaps
  };

  // `per_second` > 0 starts a second, beginning at `start` (nanoseconds of any clock).
  Schedule(Kind kind, double per_second, int64_t start, uint64_t seed = 1);

  // The next intended time; never smaller than the one before.
  int64_t Next();

 private:
  const Kind kind_;
  const double gap_;  // mean, in nanoseconds
  const int64_t start_;
  double offset_ = 0;  // of the next time from the start, in nanoseconds
  std::mt19937_64 random_;
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_SCHEDULE_H_
