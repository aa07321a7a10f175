#ifndef MANSIO_TESTS_COMMON_GATEWAY_TESTING_H_
#define MANSIO_TESTS_COMMON_GATEWAY_TESTING_H_

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/clock/clock.h"
#include "common/gateway/gateway.h"
#include "common/gateway/public_service.h"
#include "common/rpc/testing/fake_call.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

// A directory that a test fills.
class FakeDirectory final : public Directory {
 public:
  absl::StatusOr<TopicRoute> Route(std::string_view topic) const override {
    const auto it = routes.find(topic);
    if (it != routes.end()) return it->second;
    return WireError(apache::rocketmq::v2::TOPIC_NOT_FOUND,
                     fmt::format("there is no topic '{}'", topic));
  }
  GroupPolicy Group(std::string_view group) const override {
    const auto it = groups.find(group);
    return it == groups.end() ? GroupPolicy() : it->second;
  }

  absl::Status CheckGroup(std::string_view group) const override {
    return unsure.contains(group) ? absl::UnavailableError("it may exist") : absl::OkStatus();
  }

  std::string_view Self() const override { return self; }
  bool Stores(std::string_view topic) const override { return stored.contains(topic); }
  std::vector<std::string> OthersWith(std::string_view topic) const override {
    std::vector<std::string> names;
    const auto it = routes.find(topic);
    if (it == routes.end()) return names;
    for (const BrokerQueues& broker : it->second.brokers) {
      if (broker.broker != self) names.push_back(broker.broker);
    }
    return names;
  }
  std::optional<HostPort> MasterOf(std::string_view broker) const override {
    const auto it = masters.find(broker);
    if (it == masters.end()) return std::nullopt;
    return it->second;
  }

  std::string GroupOwner(std::string_view, std::string_view message_group) const override {
    const auto it = owners.find(message_group);
    return it == owners.end() ? std::string() : it->second;
  }

  std::string self;                           // "" is a nameserver
  std::set<std::string, std::less<>> stored;  // topics of this node
  std::map<std::string, HostPort, std::less<>> masters;
  std::map<std::string, TopicRoute, std::less<>> routes;
  std::map<std::string, GroupPolicy, std::less<>> groups;
  std::set<std::string, std::less<>> unsure;               // groups that may exist
  std::map<std::string, std::string, std::less<>> owners;  // of message groups that have one
};

// Writes down what it is told: "sub client group topic,topic" and "dead client".
class RecordingObserver final : public ClientObserver {
 public:
  void OnSubscription(std::string_view client_id, std::string_view group,
                      const std::vector<std::string>& topics) override {
    events.push_back(fmt::format("sub {} {} {}", client_id, group, fmt::join(topics, ",")));
  }
  void OnClientDead(const ClientInfo& client) override { events.push_back("dead " + client.id); }
  void OnStreamLost(std::string_view client_id) override {
    events.push_back("stream of " + std::string(client_id) + " lost");
  }

  std::vector<std::string> events;
};

// Two brokers, a and b, with `queues` queues each.
inline TopicRoute TwoBrokers(int queues) {
  TopicRoute route;
  route.brokers.push_back({"a", 0, {{"192.0.2.1", 8081}}, queues});
  route.brokers.push_back({"b", 0, {{"192.0.2.2", 8081}}, queues});
  return route;
}

// A receipt handle, as far as others than its broker read it.
inline std::string HandleOf(const std::string& broker) {
  std::string bytes("\x01");
  bytes.push_back(static_cast<char>(broker.size()));
  bytes += broker + "lease and signature";
  return absl::WebSafeBase64Escape(bytes);
}

// A gateway on a fake clock, called without a transport.
class GatewayFixture {
 public:
  GatewayFixture() {
    registry.SetObserver(&observer);
    gateway.Register(methods);
  }

  // Calls a unary method of MessagingService as `client`; an empty client sends no id.
  template <typename Response, typename Request>
  Response Call(std::string_view method, const Request& request, std::string client = "client-1",
                const std::string& language = "JAVA") {
    rpc::testing::FakeUnaryCall call(request.SerializeAsString(), HeadersOf(client, language));
    for (const auto& candidate : methods.unary) {
      if (candidate.path == MessagingPath(method)) candidate.handler(call);
    }
    return call.Response<Response>();
  }

  static rpc::testing::Headers HeadersOf(const std::string& client,
                                         const std::string& language = "JAVA") {
    if (client.empty()) return {};
    return {
        {"x-mq-client-id", client}, {"x-mq-language", language}, {"x-mq-client-version", "5.1.0"}};
  }

  FakeClock clock;
  FakeDirectory directory;
  RecordingObserver observer;
  ClientRegistry registry{{}, &clock};
  Gateway gateway{{}, &directory, &registry, &observer};
  rpc::MethodTable methods;
};

}  // namespace mansio::gateway

#endif  // MANSIO_TESTS_COMMON_GATEWAY_TESTING_H_
