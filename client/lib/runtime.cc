#include "client/lib/runtime.h"

#include <fmt/format.h>

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "client/lib/identity.h"
#include "client/lib/rpc.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::client {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr absl::Duration kTerminationTimeout = absl::Seconds(1);

absl::StatusOr<std::shared_ptr<const Route>> ToRoute(const v2::QueryRouteResponse& response) {
  if (absl::Status status = FromWire(response.status()); !status.ok()) return status;
  auto route = std::make_shared<Route>();
  for (const v2::MessageQueue& queue : response.message_queues()) {
    route->push_back(ToRouteQueue(queue));
  }
  return route;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Runtime>> Runtime::Start(ClientOptions options, Role role,
                                                        const Intervals& intervals) {
  v2::Endpoints endpoints;
  if (absl::Status s = ParseEndpoints(options.endpoint, &endpoints); !s.ok()) return s;
  std::unique_ptr<Runtime> runtime(new Runtime(std::move(options), std::move(role), intervals));
  runtime->access_point_ = runtime->SessionWith(runtime->options_.endpoint);
  absl::Status status =
      runtime->access_point_->WaitUntilAnswered(runtime->options_.request_timeout);
  if (!status.ok()) return status;
  runtime->ScheduleHeartbeat();
  runtime->ScheduleRefresh();
  return runtime;
}

Runtime::Runtime(ClientOptions options, Role role, const Intervals& intervals)
    : options_(std::move(options)),
      role_(std::move(role)),
      intervals_(intervals),
      transport_(Transport::Start()),
      client_id_(NewClientId()) {}

Runtime::~Runtime() { Close(); }

void Runtime::Close() {
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
    closed_ = true;
  }
  std::vector<Result<bool>> answers;
  for (const std::shared_ptr<Session>& session : Sessions()) {
    Result<bool>& answer = answers.emplace_back();
    session->connection().Unary(method::kNotifyClientTermination, role_.termination,
                                kTerminationTimeout,
                                [answer](absl::Status, std::string_view) { answer.Set(true); });
  }
  for (const Result<bool>& answer : answers) answer.Take();
  transport_->Shutdown();
}

std::shared_ptr<Session> Runtime::SessionWith(const std::string& endpoint) {
  std::shared_ptr<Session> session;
  {
    MutexLock lock(&mutex_);
    std::shared_ptr<Session>& slot = sessions_[endpoint];
    if (slot != nullptr) return slot;
    slot = std::make_shared<Session>(
        transport_.get(),
        transport_->Connect({endpoint, options_.tls, IdentityHeaders(client_id_)}), role_.settings,
        role_.on_check);
    session = slot;
  }
  session->Open();
  return session;
}

void Runtime::SendSettings() {
  for (const std::shared_ptr<Session>& session : Sessions()) session->SendSettings();
}

bool Runtime::IsIsolated(const std::string& endpoint) const {
  MutexLock lock(&mutex_);
  const auto found = sessions_.find(endpoint);
  return found != sessions_.end() && found->second->isolated();
}

void Runtime::FindRoute(const std::string& topic, RouteDone done) {
  std::shared_ptr<const Route> route;
  {
    MutexLock lock(&mutex_);
    const auto found = routes_.find(topic);
    if (found != routes_.end()) route = found->second;
  }
  if (route != nullptr) {
    done(std::move(route));
    return;
  }
  // Any node knows the routes, so any session will do when the access point is gone.
  std::vector<std::shared_ptr<Session>> nodes = {access_point_};
  for (std::shared_ptr<Session>& session : Sessions()) {
    if (session != access_point_) nodes.push_back(std::move(session));
  }
  QueryRoute(topic, std::move(nodes), 0, std::move(done));
}

void Runtime::ForgetRoute(const std::string& topic) {
  MutexLock lock(&mutex_);
  routes_.erase(topic);
}

void Runtime::QueryRoute(const std::string& topic, std::vector<std::shared_ptr<Session>> nodes,
                         size_t index, RouteDone done) {
  Connection& connection = nodes[index]->connection();
  v2::QueryRouteRequest request;
  request.mutable_topic()->set_name(topic);
  ParseEndpoints(options_.endpoint, request.mutable_endpoints()).IgnoreError();  // checked in Start
  auto response = std::make_shared<v2::QueryRouteResponse>();
  CallAsync(connection, method::kQueryRoute, request, response, options_.request_timeout,
            [this, topic, nodes = std::move(nodes), index, done = std::move(done),
             response](absl::Status status) mutable {
              if (!status.ok() && index + 1 < nodes.size() && !absl::IsCancelled(status)) {
                QueryRoute(topic, std::move(nodes), index + 1, std::move(done));
                return;
              }
              if (!status.ok()) {
                done(std::move(status));
                return;
              }
              absl::StatusOr<std::shared_ptr<const Route>> route = ToRoute(*response);
              if (route.ok()) {
                MutexLock lock(&mutex_);
                routes_[topic] = *route;
              }
              done(std::move(route));
            });
}

void Runtime::ScheduleHeartbeat() {
  transport_->After(intervals_.heartbeat, [this] {
    SendHeartbeats();
    ScheduleHeartbeat();
  });
}

void Runtime::SendHeartbeats() {
  for (const std::shared_ptr<Session>& session : Sessions()) {
    session->connection().Unary(method::kHeartbeat, role_.heartbeat, options_.request_timeout,
                                [session](absl::Status status, std::string_view /*response*/) {
                                  session->SetIsolated(!status.ok());
                                });
  }
}

void Runtime::ScheduleRefresh() {
  transport_->After(intervals_.route, [this] {
    EndSessionsWithNodesGone();
    RefreshRoutes();
    ScheduleRefresh();
  });
}

void Runtime::RefreshRoutes() {
  std::vector<std::string> topics;
  {
    MutexLock lock(&mutex_);
    for (const auto& [topic, route] : routes_) topics.push_back(topic);
  }
  for (const std::string& topic : topics) {
    QueryRoute(topic, {access_point_}, 0, [](const auto& /*ignored*/) {});
  }
}

void Runtime::EndSessionsWithNodesGone() {
  std::vector<std::shared_ptr<Session>> gone;
  {
    MutexLock lock(&mutex_);
    absl::flat_hash_set<std::string_view> needed;
    for (const auto& [topic, route] : routes_) {
      for (const RouteQueue& queue : *route) needed.insert(queue.endpoint);
    }
    for (auto it = sessions_.begin(); it != sessions_.end();) {
      const auto session = it++;
      const bool keep = session->second == access_point_ || !session->second->isolated() ||
                        needed.contains(session->first);
      if (keep) continue;
      gone.push_back(std::move(session->second));
      sessions_.erase(session);
    }
  }
  for (const std::shared_ptr<Session>& session : gone) session->Close();
}

std::vector<std::string> Runtime::Nodes() const {
  MutexLock lock(&mutex_);
  std::vector<std::string> endpoints;
  for (const auto& [endpoint, session] : sessions_) endpoints.push_back(endpoint);
  return endpoints;
}

std::vector<std::shared_ptr<Session>> Runtime::Sessions() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Session>> sessions;
  for (const auto& [endpoint, session] : sessions_) sessions.push_back(session);
  return sessions;
}

void AnnounceGroup(v2::ClientType type, const std::string& group, Runtime::Role* role) {
  v2::HeartbeatRequest heartbeat;
  heartbeat.set_client_type(type);
  heartbeat.mutable_group()->set_name(group);
  role->heartbeat = heartbeat.SerializeAsString();
  v2::NotifyClientTerminationRequest termination;
  termination.mutable_group()->set_name(group);
  role->termination = termination.SerializeAsString();
}

}  // namespace mansio::client
