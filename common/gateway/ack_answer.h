#ifndef MANSIO_COMMON_GATEWAY_ACK_ANSWER_H_
#define MANSIO_COMMON_GATEWAY_ACK_ANSWER_H_

#include "absl/status/status.h"
#include "apache/rocketmq/v2/service.pb.h"

// Answers to AckMessage (RocketMQ 5 API). Pure functions, thread-safe.
namespace mansio::gateway {

// Sets the status of the whole from those of its entries, of which there is at least one.
void SetTopStatus(apache::rocketmq::v2::AckMessageResponse& response);

// The answer to a request that fails as a whole: each entry says so, too (Rust looks there).
apache::rocketmq::v2::AckMessageResponse RefuseAck(
    const apache::rocketmq::v2::AckMessageRequest& request, const absl::Status& status);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ACK_ANSWER_H_
