#include "client/lib/retry.h"

#include <algorithm>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr absl::Duration kFirstBackOff = absl::Milliseconds(10);
constexpr absl::Duration kLongestBackOff = absl::Seconds(1);

absl::Duration BackOff(int attempts) {
  const int doublings = std::clamp(attempts - 1, 0, 10);
  return std::min(kFirstBackOff * (1 << doublings), kLongestBackOff);
}

}  // namespace

RetryDecision DecideRetry(const absl::Status& status, bool from_server, int attempts) {
  if (!from_server) {
    // Cancelled: the producer is closing. Unimplemented: not a message server.
    return {.retry = !absl::IsCancelled(status) && !absl::IsUnimplemented(status)};
  }
  switch (CodeOf(status)) {
    case v2::TOO_MANY_REQUESTS:
      return {.retry = true, .delay = BackOff(attempts)};
    case v2::INTERNAL_ERROR:
    case v2::INTERNAL_SERVER_ERROR:
    case v2::HA_NOT_AVAILABLE:
    case v2::REQUEST_TIMEOUT:
    case v2::PROXY_TIMEOUT:
    case v2::MASTER_PERSISTENCE_TIMEOUT:
    case v2::SLAVE_PERSISTENCE_TIMEOUT:
      return {.retry = true};
    default:
      return {};
  }
}

}  // namespace mansio::client
