#ifndef MANSIO_COMMON_GATEWAY_CLIENT_LIFE_H_
#define MANSIO_COMMON_GATEWAY_CLIENT_LIFE_H_

#include "absl/status/status.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class HeartbeatRequest;
class NotifyClientTerminationRequest;
}  // namespace apache::rocketmq::v2

// Heartbeat and NotifyClientTermination (RocketMQ 5 API): what is answered. Thread-safe; called on
// rpc threads.
namespace mansio::gateway {

// Keeps a client alive. What it consumes comes from its settings; without any (this node was
// restarted, and Python, Go and C# repeat settings only every 5 minutes) the request's group and
// type are used. The group is checked for consumers only. UNRECOGNIZED_CLIENT_TYPE for a type that
// is unknown, NOT_IMPLEMENTED for lite types, ILLEGAL_CONSUMER_GROUP, CLIENT_ID_REQUIRED
// (Go's recovery heartbeat).
absl::Status Heartbeat(const rpc::Call& call, const apache::rocketmq::v2::HeartbeatRequest& request,
                       ClientRegistry& clients, ClientObserver* observer);

// Forgets a client; OK as well when it is not known. Go's producers send an empty group: only a
// consumer's group is checked.
absl::Status TerminateClient(const rpc::Call& call,
                             const apache::rocketmq::v2::NotifyClientTerminationRequest& request,
                             ClientRegistry& clients);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CLIENT_LIFE_H_
