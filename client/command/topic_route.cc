#include "client/command/topic_route.h"

#include "apache/rocketmq/v2/service.pb.h"
#include "client/command/admin_views.h"
#include "client/lib/identity.h"
#include "client/lib/rpc.h"
#include "client/lib/transport.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status AskRoute(const client::ClientOptions& options, const std::string& topic,
                      v2::QueryRouteResponse* response) {
  v2::QueryRouteRequest request;
  request.mutable_topic()->set_name(topic);
  absl::Status status = client::ParseEndpoints(options.endpoint, request.mutable_endpoints());
  if (!status.ok()) return status;
  const auto transport = client::Transport::Start();
  const auto connection = transport->Connect(
      {options.endpoint, options.tls, client::IdentityHeaders(client::NewClientId()), nullptr});
  status = client::Call(*connection, client::method::kQueryRoute, request, response,
                        options.request_timeout);
  return status.ok() ? FromWire(response->status()) : status;
}

}  // namespace

int ShowTopicRoute(const Context& context, const std::string& topic) {
  v2::QueryRouteResponse response;
  if (absl::Status status = AskRoute(context.client, topic, &response); !status.ok()) {
    return Fail(context, status);
  }
  Json rows = Json::array();
  for (const v2::MessageQueue& queue : response.message_queues()) {
    Json types = Json::array();
    for (const int type : queue.accept_message_types()) {
      types.push_back(TypeName(static_cast<v2::MessageType>(type)));
    }
    const client::RouteQueue known = client::ToRouteQueue(queue);
    rows.push_back({{"broker", known.broker},
                    {"queue", known.queue_id},
                    {"readable", known.readable},
                    {"writable", known.writable},
                    {"types", std::move(types)},
                    {"addresses", known.endpoint}});
  }
  context.Print(rows);
  return kOk;
}

}  // namespace mansio::command
