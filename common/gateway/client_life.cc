#include "common/gateway/client_life.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// The role that a heartbeat names; `known` helps out where it names none.
absl::StatusOr<ClientRole> RoleOfType(v2::ClientType type, const std::optional<ClientInfo>& known) {
  switch (type) {
    case v2::PRODUCER:
      return ClientRole::kProducer;
    case v2::PUSH_CONSUMER:
      return ClientRole::kPushConsumer;
    case v2::SIMPLE_CONSUMER:
      return ClientRole::kSimpleConsumer;
    case v2::PULL_CONSUMER:
      return ClientRole::kPullConsumer;
    case v2::LITE_PUSH_CONSUMER:
    case v2::LITE_SIMPLE_CONSUMER:
      return WireError(
          v2::NOT_IMPLEMENTED,
          fmt::format("clients of type {} are not served; use a push, simple or pull consumer",
                      v2::ClientType_Name(type)));
    default:
      break;
  }
  if (type == v2::CLIENT_TYPE_UNSPECIFIED && known && known->role != ClientRole::kUnknown) {
    return known->role;
  }
  const std::string& name = v2::ClientType_Name(type);
  return WireError(v2::UNRECOGNIZED_CLIENT_TYPE,
                   fmt::format("client type {} cannot send heartbeats; producers, push, simple and "
                               "pull consumers can",
                               name.empty() ? fmt::format("{}", static_cast<int>(type)) : name));
}

}  // namespace

absl::Status Heartbeat(const rpc::Call& call, const v2::HeartbeatRequest& request,
                       ClientRegistry& clients, ClientObserver* observer) {
  const absl::StatusOr<std::string_view> id = IdentifyClient(call, clients);
  if (!id.ok()) return id.status();
  std::optional<ClientInfo> known = clients.Find(*id);
  const absl::StatusOr<ClientRole> role = RoleOfType(request.client_type(), known);
  if (!role.ok()) return role.status();

  std::string group;
  if (IsConsumer(*role)) {
    group = request.group().name();
    if (absl::Status status = names::ValidateConsumerGroup(group); !status.ok()) return status;
  }
  std::vector<std::string> topics;
  // What it has told other nodes only, those relay; it has to be known here by itself.
  const std::optional<ClientInfo> here = clients.FindHere(*id);
  // Between the two looks it may have said goodbye and come back.
  if (known && here && here->role == *role && here->group == group) {
    topics = std::move(known->topics);
  } else if (absl::Status status =
                 clients.Describe(*id, *role, group, {}, call.Metadata("x-mq-language"),
                                  call.Metadata("x-mq-client-version"), call.Peer());
             !status.ok()) {
    return status;
  }
  if (ReceivesByLease(*role) && observer != nullptr) observer->OnSubscription(*id, group, topics);
  return absl::OkStatus();
}

absl::Status TerminateClient(const rpc::Call& call,
                             const v2::NotifyClientTerminationRequest& request,
                             ClientRegistry& clients) {
  const absl::StatusOr<std::string_view> id = ClientId(call);
  if (!id.ok()) return id.status();
  const std::optional<ClientInfo> known = clients.Find(*id);
  if (known && IsConsumer(known->role) && request.has_group()) {
    const absl::Status status = names::ValidateConsumerGroup(request.group().name());
    if (!status.ok()) return status;
  }
  clients.Terminate(*id);
  return absl::OkStatus();
}

}  // namespace mansio::gateway
