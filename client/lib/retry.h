#ifndef MANSIO_CLIENT_LIB_RETRY_H_
#define MANSIO_CLIENT_LIB_RETRY_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace mansio::client {

struct RetryDecision {
  bool retry = false;
  absl::Duration delay = absl::ZeroDuration();  // before the next attempt
};

// Whether a send that failed with `status` is worth another attempt, and when. `from_server`: the
// status was in a response, else the transport failed; `attempts`: how many were made so far. The
// back-off after TOO_MANY_REQUESTS is that of the official SDKs (RocketMQ 5 API);
// unlike them, this client does not repeat what a broker has refused for good. Pure; thread-safe.
RetryDecision DecideRetry(const absl::Status& status, bool from_server, int attempts);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_RETRY_H_
