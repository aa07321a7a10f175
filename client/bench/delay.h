#ifndef MANSIO_CLIENT_BENCH_DELAY_H_
#define MANSIO_CLIENT_BENCH_DELAY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/bench/arrivals.h"
#include "client/bench/produce.h"
#include "client/bench/receiver.h"

namespace mansio::bench {

struct DelayOptions {
  // The plain load whose throughput is compared; load.duration is the length of one phase.
  ProduceOptions produce;
  std::string delay_topic = "bench-delay";       // made when missing
  int schedule_batch = 32;                       // delayed messages in a request
  double due_rate = 1000;                        // delayed messages that come due in a second
  absl::Duration due_after = absl::Seconds(30);  // from the start to the first of them
  int64_t pending = 0;                           // delayed messages that do not come due meanwhile
  absl::Duration ahead = absl::Hours(1);         // … but between this and twice this later
  int rounds = 3;
  ReceiverOptions receiver;
  int receivers = 4;  // receives of delayed messages that wait at any time
};

struct DelayRound {
  LoadResult due;      // the plain load while delayed messages come due
  LoadResult pending;  // … and while they only wait
};

struct DelayResult {
  LoadResult before;      // the plain load before anything was delayed
  LoadResult scheduling;  // the sends of the delayed messages
  std::vector<DelayRound> rounds;
  ArrivalCounts arrivals;  // latency: from the delivery time to the receive, by wall clock
  int64_t missing = 0;     // that did not arrive within 30 s after the last was due
};

// Measures how late delayed messages are received, and what they cost a plain load beside them.
// Those that come due are sent first and the others behind them, so that the broker has them no
// more in its cache when they do. What does not come due stays pending. kDeadlineExceeded when
// sending all of them takes longer than `due_after`, kResourceExhausted when some are refused.
absl::StatusOr<DelayResult> Delay(const DelayOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_DELAY_H_
