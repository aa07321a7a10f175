#include "common/gateway/preamble.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

absl::StatusOr<std::string_view> ClientId(const rpc::Call& call) {
  const std::string_view id = call.Metadata("x-mq-client-id");
  if (IsBlank(id)) {
    return WireError(
        v2::CLIENT_ID_REQUIRED,
        "the request header x-mq-client-id is missing or blank; send one id per client");
  }
  if (id.size() > kMaxClientIdBytes) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the client id has {} bytes; at most {} are allowed", id.size(),
                                 kMaxClientIdBytes));
  }
  return id;
}

absl::StatusOr<std::string_view> IdentifyClient(const rpc::Call& call, ClientRegistry& clients) {
  absl::StatusOr<std::string_view> id = ClientId(call);
  if (!id.ok()) return id;
  if (absl::Status status = clients.Touch(*id); !status.ok()) return status;
  return id;
}

rpc::Payload StatusResponse(const absl::Status& status) {
  v2::HeartbeatResponse response;
  ToWire(status, response.mutable_status());
  return rpc::Payload(response.SerializeAsString());
}

}  // namespace mansio::gateway
