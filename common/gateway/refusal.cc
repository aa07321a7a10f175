#include "common/gateway/refusal.h"

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/ack_answer.h"
#include "common/gateway/preamble.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

rpc::Payload RefusalOf(const OwnedMethod& method, std::string_view request,
                       const absl::Status& status) {
  if (method.by == OwnedMethod::Names::kHandles) {
    v2::AckMessageRequest ack;
    if (rpc::Parse(request, &ack)) return rpc::Encode(RefuseAck(ack, status));
  }
  v2::ChangeInvisibleDurationRequest change;
  if (method.name == "ChangeInvisibleDuration" && rpc::Parse(request, &change)) {
    // Some SDKs replace their handle by that of the answer, whatever its status (RocketMQ 5 API).
    v2::ChangeInvisibleDurationResponse response;
    ToWire(status, response.mutable_status());
    response.set_receipt_handle(change.receipt_handle());
    return rpc::Encode(response);
  }
  return StatusResponse(status);
}

}  // namespace mansio::gateway
