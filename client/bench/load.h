#ifndef MANSIO_CLIENT_BENCH_LOAD_H_
#define MANSIO_CLIENT_BENCH_LOAD_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/bench/histogram.h"
#include "client/bench/process_usage.h"
#include "client/bench/schedule.h"

// How operations are driven and measured, whatever they are.
namespace mansio::bench {

// Nanoseconds of the steady clock.
int64_t NowNanos();

struct LoadOptions {
  int in_flight = 64;  // closed loop: that many operations at any time
  double rate = 0;     // > 0: open loop, that many operations a second
  Schedule::Kind schedule = Schedule::Kind::kUniform;
  absl::Duration quiet_gap;  // > 0: one operation at a time, each after a pause of this length
  absl::Duration duration = absl::Seconds(10);  // of the measurement, after the warm-up
  int64_t count = 0;  // > 0: that many operations in all, instead of the duration
  // > 0: until that many messages have succeeded, instead of both, or none did for a minute.
  int64_t messages = 0;
  absl::Duration warmup;  // what begins in this time is not measured
  pid_t server_pid = 0;   // > 0: its use of CPU and memory is measured
};

// How an operation ended.
struct Outcome {
  int64_t messages = 0;  // that succeeded
  int64_t bytes = 0;     // of their bodies
  std::string error;     // name of the error; empty when all succeeded
};

// Starts operation `number` (0, 1, …) that was to begin at `intended` (NowNanos) and calls `done`
// once, from any thread.
using Operation =
    std::function<void(int64_t number, int64_t intended, absl::AnyInvocable<void(Outcome)> done)>;

struct LoadResult {
  // From the end of the warm-up to the last end of an operation that brought something.
  double seconds = 0;
  int64_t operations = 0;
  int64_t messages = 0;
  int64_t bytes = 0;
  Histogram latency;  // from the intended start
  Histogram
      service_time;  // from the real start; more than a little less means a late load generator
  std::map<std::string, int64_t> errors;  // by name

  int64_t messages_in_all = 0;  // the warm-up included

  // Between the end of the warm-up and the end; CPU time per message of this process and the
  // server.
  int64_t messages_for_cpu = 0;
  ProcessUsage client_used;
  std::optional<ProcessUsage> server_used;  // differences, but the memory is that at the end
};

// Runs `operation` again and again and waits until all have ended. An operation that fails counts
// as an error and is followed, after a pause of 20 ms in a closed loop, by the next.
// kResourceExhausted when an open loop finds 65,536 operations unanswered: the server cannot keep
// up with the rate. kFailedPrecondition when `messages` did not come. kNotFound when there is no
// process `server_pid`.
absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, const Operation& operation);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_LOAD_H_
