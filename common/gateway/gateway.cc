#include "common/gateway/gateway.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/admin.pb.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/client_life.h"
#include "common/gateway/client_relay.h"
#include "common/gateway/preamble.h"
#include "common/gateway/public_service.h"
#include "common/gateway/route_answer.h"
#include "common/gateway/telemetry.h"
#include "common/names/names.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

AddressForm FormFor(const rpc::Call& call) {
  return AddressFormOf(call.Metadata("x-mq-language"), call.Metadata("x-mq-client-version"));
}

absl::StatusOr<v2::QueryRouteResponse> QueryRoute(const rpc::Call& call,
                                                  const v2::QueryRouteRequest& request,
                                                  const Directory& directory,
                                                  ClientRegistry& clients) {
  const absl::StatusOr<std::string_view> id = IdentifyClient(call, clients);
  if (!id.ok()) return id.status();
  const std::string& topic = request.topic().name();
  if (absl::Status status = names::ValidateTopic(topic); !status.ok()) return status;
  const absl::StatusOr<TopicRoute> route = directory.Route(topic);
  if (!route.ok()) return route.status();
  return MakeRouteResponse(request.topic(), *route, FormFor(call));
}

absl::StatusOr<v2::QueryAssignmentResponse> QueryAssignment(
    const rpc::Call& call, const v2::QueryAssignmentRequest& request, const Directory& directory,
    ClientRegistry& clients, ClientObserver* observer, ClientRelay* relay) {
  const absl::StatusOr<std::string_view> id = IdentifyClient(call, clients);
  if (!id.ok()) return id.status();
  const std::string& topic = request.topic().name();
  const std::string& group = request.group().name();
  if (absl::Status status = names::ValidateTopic(topic); !status.ok()) return status;
  if (absl::Status status = names::ValidateConsumerGroup(group); !status.ok()) return status;
  const absl::StatusOr<TopicRoute> route = directory.Route(topic);
  if (!route.ok()) return route.status();
  if (absl::Status status = directory.CheckGroup(group); !status.ok()) return status;
  if (observer != nullptr) observer->OnSubscription(*id, group, {topic});
  if (relay != nullptr) relay->Subscribed(*id, topic);
  return MakeAssignmentResponse(request.topic(), *route, directory.Group(group).fifo,
                                FormFor(call));
}

template <typename Response>
void FinishOrFail(rpc::UnaryCall& call, const absl::StatusOr<Response>& response) {
  if (response.ok()) {
    rpc::Reply(call, *response);
  } else {
    call.Finish(StatusResponse(response.status()));
  }
}

// What a method that is not served answers, in its own shape.
rpc::Payload Refusal(const PublicMethod& method, const absl::Status& status) {
  if (method.name != "ChangeLogLevel") return StatusResponse(status);
  v2::Status wire;
  ToWire(status, &wire);
  v2::ChangeLogLevelResponse response;  // the only one without a status
  response.set_remark(wire.message());
  return rpc::Payload(response.SerializeAsString());
}

class NotServedStream final : public rpc::BidiEvents {
 public:
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnClosed() override {}
};

using Explain = std::function<std::string(std::string_view method)>;

absl::Status NotServed(const PublicMethod& method, const Explain& explain) {
  return WireError(v2::NOT_IMPLEMENTED,
                   explain ? explain(method.name)
                           : fmt::format("{} is not served by this version", method.name));
}

void RegisterRefusal(rpc::MethodTable& methods, const PublicMethod& method,
                     const Explain& explain) {
  switch (method.shape) {
    case Shape::kUnary:
      methods.unary.push_back({method.Path(), [method, explain](rpc::UnaryCall& call) {
                                 call.Finish(Refusal(method, NotServed(method, explain)));
                               }});
      break;
    case Shape::kServerStream:
      methods.server_stream.push_back(
          {method.Path(), [method, explain](rpc::ServerStreamCall& call) {
             std::vector<rpc::Payload> elements;
             elements.push_back(Refusal(method, NotServed(method, explain)));
             call.Finish(std::move(elements), [](bool) {});
           }});
      break;
    case Shape::kBidi:  // TelemetryCommand has its status in field 1, too.
      methods.bidi.push_back(
          {method.Path(), [method, explain](std::shared_ptr<rpc::BidiCall> call) {
             call->Write(Refusal(method, NotServed(method, explain)));
             call->Finish(absl::OkStatus());
             return std::make_unique<NotServedStream>();
           }});
      break;
  }
}

bool IsRegistered(const rpc::MethodTable& methods, const std::string& path) {
  const auto has = [&path](const auto& list) {
    return std::any_of(list.begin(), list.end(),
                       [&path](const auto& method) { return method.path == path; });
  };
  return has(methods.unary) || has(methods.server_stream) || has(methods.bidi);
}

}  // namespace

Gateway::Gateway(GatewayOptions options, const Directory* directory, ClientRegistry* clients,
                 ClientObserver* observer, ClientRelay* relay)
    : options_(options),
      directory_(directory),
      clients_(clients),
      observer_(observer),
      relay_(relay) {}

void Gateway::Register(rpc::MethodTable& methods) {
  const auto add = [&methods](std::string_view name, rpc::UnaryHandler handler) {
    methods.unary.push_back({MessagingPath(name), std::move(handler)});
  };
  add("QueryRoute", rpc::ParsedUnary<v2::QueryRouteRequest>(
                        [this](rpc::UnaryCall& call, const v2::QueryRouteRequest& request) {
                          FinishOrFail(call, QueryRoute(call, request, *directory_, *clients_));
                        }));
  add("QueryAssignment",
      rpc::ParsedUnary<v2::QueryAssignmentRequest>(
          [this](rpc::UnaryCall& call, const v2::QueryAssignmentRequest& request) {
            FinishOrFail(call,
                         QueryAssignment(call, request, *directory_, *clients_, observer_, relay_));
          }));
  add("Heartbeat", rpc::ParsedUnary<v2::HeartbeatRequest>(
                       [this](rpc::UnaryCall& call, const v2::HeartbeatRequest& request) {
                         const absl::Status status = Heartbeat(call, request, *clients_, observer_);
                         if (status.ok() && relay_ != nullptr)
                           relay_->Changed(call.Metadata("x-mq-client-id"));
                         call.Finish(StatusResponse(status));
                       }));
  add("NotifyClientTermination",
      rpc::ParsedUnary<v2::NotifyClientTerminationRequest>(
          [this](rpc::UnaryCall& call, const v2::NotifyClientTerminationRequest& request) {
            const absl::Status status = TerminateClient(call, request, *clients_);
            if (status.ok() && relay_ != nullptr) {
              relay_->Terminated(call.Metadata("x-mq-client-id"));
            }
            call.Finish(StatusResponse(status));
          }));
  methods.bidi.push_back({MessagingPath("Telemetry"), [this](std::shared_ptr<rpc::BidiCall> call) {
                            return ServeTelemetry(std::move(call), options_, *directory_, *clients_,
                                                  observer_, relay_);
                          }});
}

void Gateway::RegisterNotServed(rpc::MethodTable& methods, const std::vector<std::string>& served,
                                std::function<std::string(std::string_view method)> explain) {
  for (const PublicMethod& method : kPublicMethods) {
    const bool is_served = std::find(served.begin(), served.end(), method.name) != served.end();
    if (is_served || IsRegistered(methods, method.Path())) continue;
    RegisterRefusal(methods, method, explain);
  }
}

}  // namespace mansio::gateway
