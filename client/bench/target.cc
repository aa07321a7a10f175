#include "client/bench/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <thread>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/admin_client.h"
#include "client/lib/identity.h"
#include "client/lib/rpc.h"
#include "client/lib/settings.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::bench {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int kRouteTries = 50;  // a new topic reaches the nameservers after a moment
constexpr auto kRoutePause = std::chrono::milliseconds(100);
constexpr absl::Duration kGoodbyeTimeout = absl::Seconds(1);

absl::StatusOr<client::Route> QueryRoute(client::Connection& access_point,
                                         const TargetOptions& options) {
  v2::QueryRouteRequest request;
  request.mutable_topic()->set_name(options.topic);
  absl::Status status =
      client::ParseEndpoints(options.client.endpoint, request.mutable_endpoints());
  if (!status.ok()) return status;
  v2::QueryRouteResponse response;
  status = client::Call(access_point, client::method::kQueryRoute, request, &response,
                        options.client.request_timeout);
  if (status.ok()) status = FromWire(response.status());
  if (!status.ok()) return status;
  client::Route route;
  for (const v2::MessageQueue& queue : response.message_queues()) {
    route.push_back(client::ToRouteQueue(queue));
  }
  return route;
}

v2::MessageType TypeOf(TopicKind kind) {
  switch (kind) {
    case TopicKind::kDelay:
      return v2::DELAY;
    case TopicKind::kTransaction:
      return v2::TRANSACTION;
    case TopicKind::kNormal:
      break;
  }
  return v2::NORMAL;
}

absl::Status MakeTopic(const TargetOptions& options) {
  auto admin = client::AdminClient::Create(options.client);
  if (!admin.ok()) return admin.status();
  v1::TopicInfo topic;
  topic.set_name(options.topic);
  topic.set_queues(options.queues);
  topic.set_message_type(TypeOf(options.kind));
  return (*admin)->CreateTopic(topic).status();
}

absl::StatusOr<client::Route> FindOrMakeTopic(client::Connection& access_point,
                                              const TargetOptions& options) {
  absl::StatusOr<client::Route> route = QueryRoute(access_point, options);
  if (CodeOf(route.status()) != v2::TOPIC_NOT_FOUND) return route;
  if (absl::Status status = MakeTopic(options); !status.ok()) return status;
  for (int tries = 0; tries < kRouteTries; ++tries) {
    route = QueryRoute(access_point, options);
    if (CodeOf(route.status()) != v2::TOPIC_NOT_FOUND) break;
    std::this_thread::sleep_for(kRoutePause);
  }
  return route;
}

// Servers without Mansio's admin interface make groups at their first use.
absl::Status MakeGroup(const TargetOptions& options) {
  auto admin = client::AdminClient::Create(options.client);
  if (!admin.ok()) return admin.status();
  if ((*admin)->DescribeGroup(options.group).ok()) return absl::OkStatus();
  v1::GroupInfo group;
  group.set_name(options.group);
  group.set_start(options.start_latest ? v1::START_POLICY_LATEST : v1::START_POLICY_EARLIEST);
  absl::Status status = (*admin)->CreateGroup(group).status();
  return absl::IsUnimplemented(status) ? absl::OkStatus() : status;
}

std::string Settings(const TargetOptions& options) {
  return options.group.empty()
             ? client::ProducerSettings(options.client, {options.topic})
             : client::ConsumerSettings(options.client, options.group, {{options.topic, "*"}});
}

}  // namespace

Target::Target(const TargetOptions& options)
    : options_(options),
      headers_(client::IdentityHeaders(client::NewClientId())),
      transport_(client::Transport::Start(options.threads)) {}

Target::~Target() {
  Leave();
  transport_->Shutdown();
}

void Target::Leave() {
  v2::NotifyClientTerminationRequest request;
  if (!options_.group.empty()) request.mutable_group()->set_name(options_.group);
  for (const std::shared_ptr<client::Session>& session : sessions_) {
    v2::NotifyClientTerminationResponse response;
    // A broker that is gone needs no goodbye.
    client::Call(session->connection(), client::method::kNotifyClientTermination, request,
                 &response, kGoodbyeTimeout)
        .IgnoreError();
  }
}

absl::StatusOr<std::unique_ptr<Target>> Target::Connect(const TargetOptions& options,
                                                        client::Session::OnCheck on_check) {
  std::unique_ptr<Target> target(new Target(options));
  const auto connect = [&target, &options](const std::string& endpoint) {
    return target->transport_->Connect({endpoint, options.client.tls, target->headers_});
  };
  absl::StatusOr<client::Route> route = FindOrMakeTopic(*connect(options.client.endpoint), options);
  if (!route.ok()) return route.status();
  if (!options.group.empty()) {
    if (absl::Status status = MakeGroup(options); !status.ok()) return status;
  }
  const size_t brokers = client::ReadableBrokers(*route);
  if (brokers == 0) {
    return absl::FailedPreconditionError(
        fmt::format("topic '{}' has no readable queue", options.topic));
  }
  const size_t links = std::max(static_cast<size_t>(std::max(options.connections, 1)), brokers);
  for (size_t i = 0; i < links; ++i) {
    const client::RouteQueue& queue = *client::ReceiveQueue(*route, i);
    target->links_.push_back({connect(queue.endpoint), queue});
    if (i >= brokers) continue;
    target->sessions_.push_back(std::make_shared<client::Session>(
        target->transport_.get(), target->links_.back().connection,
        [options] { return Settings(options); }, on_check));
    target->sessions_.back()->Open();
    absl::Status status =
        target->sessions_.back()->WaitUntilAnswered(options.client.request_timeout);
    if (!status.ok()) return status;
  }
  return target;
}

TargetOptions WithGroupOfRun(TargetOptions options) {
  options.group = fmt::format("bench-run-{:06x}", std::random_device()() & 0xFFFFFF);
  options.start_latest = true;
  return options;
}

void DeleteGroup(const TargetOptions& options) {
  auto admin = client::AdminClient::Create(options.client);
  if (admin.ok()) (*admin)->DeleteGroup(options.group).IgnoreError();
}

}  // namespace mansio::bench
