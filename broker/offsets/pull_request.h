#ifndef MANSIO_BROKER_OFFSETS_PULL_REQUEST_H_
#define MANSIO_BROKER_OFFSETS_PULL_REQUEST_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/filter/message_filter.h"
#include "broker/offsets/context.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class PullMessageRequest;
}

namespace mansio::broker {

// A PullMessage that was checked.
struct PullRequest {
  std::string group;
  std::string topic_namespace;  // echoed
  NamedQueue queue;
  int64_t offset = 0;
  FilterPtr filter;
  size_t batch = 1;
  absl::Duration polling;  // how long to wait for the first message; 0: not at all
};

// Checks a request: names, the queue (FindQueue), the filter (ILLEGAL_FILTER_EXPRESSION), and the
// polling time (ILLEGAL_POLLING_TIME when negative), which is cut to the broker's longest and to
// what the call's deadline leaves of `now`, the transport's wall clock. Whether the offset is one
// of the queue is seen when it is read.
absl::StatusOr<PullRequest> CheckPull(const apache::rocketmq::v2::PullMessageRequest& request,
                                      const rpc::Call& call, const OffsetsContext& context,
                                      absl::Time now);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_OFFSETS_PULL_REQUEST_H_
