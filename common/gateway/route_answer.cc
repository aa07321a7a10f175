#include "common/gateway/route_answer.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// The releases whose target is known.
constexpr std::string_view kNodeJs = "1.0.";
constexpr int kLastNodeJs = 8;

v2::AddressScheme SchemeOf(const std::string& host) {
  in6_addr binary;  // large enough for both families
  if (inet_pton(AF_INET, host.c_str(), &binary) == 1) return v2::IPv4;
  if (inet_pton(AF_INET6, host.c_str(), &binary) == 1) return v2::IPv6;
  return v2::DOMAIN_NAME;
}

// SDKs send to whatever a route lists, so slaves and brokers without queues stay out of it.
bool Usable(const BrokerQueues& broker) {
  return broker.broker_id == 0 && broker.queues > 0 && !broker.broker.empty() &&
         !broker.endpoints.empty();
}

void FillQueue(const v2::Resource& topic, const BrokerQueues& broker,
               const v2::Endpoints& endpoints, int32_t id, v2::MessageQueue* queue) {
  *queue->mutable_topic() = topic;
  queue->set_id(id);
  queue->set_permission(broker.writable ? v2::READ_WRITE : v2::READ);
  queue->mutable_broker()->set_name(broker.broker);
  queue->mutable_broker()->set_id(broker.broker_id);
  *queue->mutable_broker()->mutable_endpoints() = endpoints;
}

std::vector<v2::MessageType> AcceptedTypes(const TopicRoute& route) {
  if (route.mixed) return {v2::NORMAL, v2::FIFO, v2::DELAY, v2::TRANSACTION};
  if (route.message_type == v2::MESSAGE_TYPE_UNSPECIFIED) return {v2::NORMAL};
  return {static_cast<v2::MessageType>(route.message_type)};
}

absl::Status NoQueues(const v2::Resource& topic) {
  return WireError(
      v2::TOPIC_NOT_FOUND,
      fmt::format("topic '{}' has no queue on any broker that is up; start its broker or "
                  "create the topic again",
                  EscapeForLog(topic.name())));
}

}  // namespace

AddressForm AddressFormOf(std::string_view language, std::string_view version) {
  if (language != "HTTP") return AddressForm::kAll;
  // What later ones do with a scheme is not known.
  int patch = 0;
  if (!version.starts_with(kNodeJs)) return AddressForm::kFirst;
  version.remove_prefix(kNodeJs.size());
  const bool known =
      absl::SimpleAtoi({version.data(), version.size()}, &patch) && patch <= kLastNodeJs;
  return known ? AddressForm::kTarget : AddressForm::kFirst;
}

v2::Endpoints MakeEndpoints(const std::vector<HostPort>& addresses, AddressForm form) {
  v2::Endpoints endpoints;
  if (addresses.empty()) return endpoints;
  const v2::AddressScheme scheme = SchemeOf(addresses.front().host);
  bool usable_together = scheme != v2::DOMAIN_NAME && form != AddressForm::kFirst &&
                         (form != AddressForm::kTarget || scheme == v2::IPv4);
  for (const HostPort& address : addresses) {
    usable_together = usable_together && SchemeOf(address.host) == scheme;
  }
  endpoints.set_scheme(scheme);
  for (const HostPort& address : addresses) {
    v2::Address* out = endpoints.add_addresses();
    out->set_host(address.host);
    out->set_port(address.port);
    if (!usable_together) break;
  }
  if (form == AddressForm::kTarget && endpoints.addresses_size() > 1) {
    endpoints.mutable_addresses(0)->set_host("ipv4:" + addresses.front().host);
  }
  return endpoints;
}

absl::StatusOr<v2::QueryRouteResponse> MakeRouteResponse(const v2::Resource& topic,
                                                         const TopicRoute& route,
                                                         AddressForm form) {
  const std::vector<v2::MessageType> types = AcceptedTypes(route);
  std::vector<std::pair<const BrokerQueues*, v2::Endpoints>> brokers;
  int32_t most_queues = 0;
  for (const BrokerQueues& broker : route.brokers) {
    if (!Usable(broker)) continue;
    brokers.emplace_back(&broker, MakeEndpoints(broker.endpoints, form));
    most_queues = std::max(most_queues, broker.queues);
  }
  v2::QueryRouteResponse response;
  for (int32_t id = 0; id < most_queues; ++id) {
    for (const auto& [broker, endpoints] : brokers) {
      if (id >= broker->queues) continue;
      v2::MessageQueue* queue = response.add_message_queues();
      FillQueue(topic, *broker, endpoints, id, queue);
      for (const v2::MessageType type : types) queue->add_accept_message_types(type);
    }
  }
  if (response.message_queues().empty()) return NoQueues(topic);
  ToWire(absl::OkStatus(), response.mutable_status());
  return response;
}

absl::StatusOr<v2::QueryAssignmentResponse> MakeAssignmentResponse(const v2::Resource& topic,
                                                                   const TopicRoute& route,
                                                                   bool fifo_group,
                                                                   AddressForm form) {
  v2::QueryAssignmentResponse response;
  for (const BrokerQueues& broker : route.brokers) {
    if (!Usable(broker)) continue;
    const v2::Endpoints endpoints = MakeEndpoints(broker.endpoints, form);
    const int32_t first = fifo_group ? 0 : -1;
    const int32_t end = fifo_group ? broker.queues : 0;
    for (int32_t id = first; id < end; ++id) {
      FillQueue(topic, broker, endpoints, id, response.add_assignments()->mutable_message_queue());
    }
  }
  if (response.assignments().empty()) return NoQueues(topic);
  ToWire(absl::OkStatus(), response.mutable_status());
  return response;
}

}  // namespace mansio::gateway
