#ifndef MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_
#define MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/directory.h"

// Routes and assignments as the SDKs need them (RocketMQ 5 API). Pure functions,
// thread-safe. The order of the answers is that of the route: the same between calls.
namespace mansio::gateway {

// Addresses with the scheme that they have in common. A domain name stands alone, and kinds cannot
// be mixed (RocketMQ 5 API): where `addresses` does either, only the first one is used.
apache::rocketmq::v2::Endpoints MakeEndpoints(const std::vector<HostPort>& addresses);

// Leaves one address of each broker, for clients that cannot choose between several.
void KeepFirstAddresses(TopicRoute* route);

// One element per queue of each broker, ids 0 and up, with `topic` echoed; the brokers by turns, so
// that an SDK that tries a failed send at the next queue finds another broker (Python).
// TOPIC_NOT_FOUND rather than an empty list (Rust divides by its length).
absl::StatusOr<apache::rocketmq::v2::QueryRouteResponse> MakeRouteResponse(
    const apache::rocketmq::v2::Resource& topic, const TopicRoute& route);

// What a consumer polls: one assignment per master with queue id -1 (all of its queues), for a FIFO
// group one per queue. Every client of a group is given the same. TOPIC_NOT_FOUND when there is
// none.
absl::StatusOr<apache::rocketmq::v2::QueryAssignmentResponse> MakeAssignmentResponse(
    const apache::rocketmq::v2::Resource& topic, const TopicRoute& route, bool fifo_group);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_
