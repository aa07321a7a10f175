#ifndef MANSIO_CLIENT_BENCH_ARRIVALS_H_
#define MANSIO_CLIENT_BENCH_ARRIVALS_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "client/bench/histogram.h"
#include "common/sync/sync.h"

namespace mansio::bench {

// What has become of the messages of one run.
struct ArrivalCounts {
  Histogram latency;       // from when a message was to come, without the warm-up
  int64_t received = 0;    // different messages, the warm-up included
  int64_t duplicates = 0;  // messages received again
  int64_t early = 0;       // messages that came before they were to
};

// When each message of a run is to come, and when it has come. The messages have sequence numbers
// of this run's own, so that others in the topic are told from them. Thread-safe.
class Arrivals {
 public:
  // Messages that are to come within `warmup` after the first one are not measured.
  explicit Arrivals(absl::Duration warmup);

  // The sequence number of the first message; the others follow.
  uint64_t first_sequence() const;

  // Messages `first` to `first` + `count` - 1 are to come at `intended` (NowNanos). Told before
  // they can arrive.
  void Expect(uint64_t first, int count, int64_t intended);
  // A message has come, now.
  void Arrived(uint64_t sequence);
  // Waits until `messages` different ones have come, or 30 s have passed.
  void WaitFor(int64_t messages) const;

  ArrivalCounts counts() const;

 private:
  struct Entry {
    int64_t intended = 0;
    bool arrived = false;
  };
  const uint64_t run_;
  const int64_t warmup_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  int64_t measure_from_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Entry> messages_ ABSL_GUARDED_BY(mutex_);  // by sequence number
  ArrivalCounts counts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_ARRIVALS_H_
