#ifndef MANSIO_BROKER_CONSUMPTION_RECEIVE_REQUEST_H_
#define MANSIO_BROKER_CONSUMPTION_RECEIVE_REQUEST_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/filter/filter_cache.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class ReceiveMessageRequest;
}

namespace mansio::broker {

struct ConsumptionOptions;

// A ReceiveMessage that was checked (RocketMQ 5 API).
struct ReceiveRequest {
  std::string group;
  std::string topic;
  std::string topic_namespace;  // echoed
  FilterPtr filter;
  std::string filter_text;
  size_t batch = 1;
  bool auto_renew = false;
  uint64_t attempt_id = 0;   // hash; 0 when there was none
  absl::Duration invisible;  // not with auto_renew
  absl::Duration polling;    // how long to wait for the first message
};

// Checks a request, each fault with the code that the contract names. `now` is the transport's wall
// clock, for the polling time that a client without one of its own gets from its deadline.
absl::StatusOr<ReceiveRequest> CheckReceive(
    const apache::rocketmq::v2::ReceiveMessageRequest& request, const rpc::Call& call,
    const ConsumptionOptions& options, FilterCache& filters, absl::Time now);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_RECEIVE_REQUEST_H_
