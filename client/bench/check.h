#ifndef MANSIO_CLIENT_BENCH_CHECK_H_
#define MANSIO_CLIENT_BENCH_CHECK_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/bench/load.h"
#include "client/bench/target.h"

namespace mansio::bench {

struct CheckOptions {
  TargetOptions target;      // the topic is made as one of transactions
  LoadOptions load;          // in_flight and server_pid
  int size = 128;            // bytes of a body
  int64_t pending = 100000;  // transactions that are left open
  int rounds = 2;
  absl::Duration patience = absl::Minutes(2);  // until the next check must have come
};

// All open transactions were checked once.
struct CheckRound {
  double seconds = 0;                // from the first check to the last
  std::optional<ProcessUsage> used;  // by the server since the end of the round before
};

struct CheckResult {
  LoadResult halves;                   // the sends
  std::optional<ProcessUsage> before;  // of the server, before and after them
  std::optional<ProcessUsage> after;
  std::vector<CheckRound> rounds;
  LoadResult rollbacks;  // of all of them, at the end
};

// Leaves transactions open, without an answer to the broker's checks, and measures those. The
// server's first check should be later than the time that it takes to send the halves.
// kDeadlineExceeded when no check comes for `patience`.
absl::StatusOr<CheckResult> Check(const CheckOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_CHECK_H_
