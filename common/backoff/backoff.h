#ifndef MANSIO_COMMON_BACKOFF_BACKOFF_H_
#define MANSIO_COMMON_BACKOFF_BACKOFF_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace apache::rocketmq::v2 {
class RetryPolicy;
}

namespace mansio {

// How long a consumer group waits before a message that failed is delivered again (RocketMQ 5 API):
// a list of waits, or waits that grow by a factor. Functions are pure and thread-safe.
struct Backoff {
  struct Exponential {
    absl::Duration initial = absl::Seconds(5);
    absl::Duration max = absl::Hours(2);
    double multiplier = 2;
    friend bool operator==(const Exponential&, const Exponential&) = default;
  };

  // After the first delivery, the second, …; the last one repeats. Not looked at, and empty, when
  // `exponential` is set.
  std::vector<absl::Duration> steps;
  std::optional<Exponential> exponential;

  // The 18 waits of RocketMQ, 1 s to 2 h.
  static const Backoff& Default();

  // The wait after the delivery number `attempt`; the first is 1.
  absl::Duration After(uint32_t attempt) const;

  friend bool operator==(const Backoff&, const Backoff&) = default;
};

// OK, or BAD_REQUEST with a sentence: a list has 1 to 64 waits; a wait is 1 second to 12 hours, the
// longest invisible time (RocketMQ 5 API), in whole seconds, since Python's consumers accept
// nothing else; a factor is 1 to 100.
absl::Status ValidateBackoff(const Backoff& backoff);

// Writes the strategy of a retry policy; max_attempts is left as it is.
void ToWire(const Backoff& backoff, apache::rocketmq::v2::RetryPolicy* policy);
// nullopt when the policy has no strategy. Durations out of range come out as infinite ones, which
// ValidateBackoff refuses.
std::optional<Backoff> BackoffFromWire(const apache::rocketmq::v2::RetryPolicy& policy);

}  // namespace mansio

#endif  // MANSIO_COMMON_BACKOFF_BACKOFF_H_
