#ifndef MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_
#define MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/directory.h"

// Routes and assignments as the SDKs need them (RocketMQ 5 API). Pure functions,
// thread-safe. The order of the answers is that of the route: the same between calls.
namespace mansio::gateway {

// How a client takes the addresses of a broker group.
enum class AddressForm {
  kAll,
  // The first one alone.
  kFirst,
  // Node.js makes one gRPC target of the addresses, HOST:PORT,HOST:PORT and so on, which is one
  // name to its library unless a scheme is in front: the first host gets that. Its producers keep
  // what they got first, and so need all. Where the addresses are not IPv4 ones, as kFirst.
  kTarget,
};
// Of a client that says so of itself in its headers.
AddressForm AddressFormOf(std::string_view language, std::string_view version);

// Addresses with the scheme that they have in common. A domain name stands alone, and kinds cannot
// be mixed (RocketMQ 5 API): where `addresses` does either, only the first one is used.
apache::rocketmq::v2::Endpoints MakeEndpoints(const std::vector<HostPort>& addresses,
                                              AddressForm form = AddressForm::kAll);

// One element per queue of each broker, ids 0 and up, with `topic` echoed; the brokers by turns, so
// that an SDK that tries a failed send at the next queue finds another broker (Python).
// TOPIC_NOT_FOUND rather than an empty list (Rust divides by its length).
absl::StatusOr<apache::rocketmq::v2::QueryRouteResponse> MakeRouteResponse(
    const apache::rocketmq::v2::Resource& topic, const TopicRoute& route,
    AddressForm form = AddressForm::kAll);

// What a consumer polls: one assignment per master with queue id -1 (all of its queues), for a FIFO
// group one per queue. Every client of a group is given the same. TOPIC_NOT_FOUND when there is
// none.
absl::StatusOr<apache::rocketmq::v2::QueryAssignmentResponse> MakeAssignmentResponse(
    const apache::rocketmq::v2::Resource& topic, const TopicRoute& route, bool fifo_group,
    AddressForm form = AddressForm::kAll);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ROUTE_ANSWER_H_
