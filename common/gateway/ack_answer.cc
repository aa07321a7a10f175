#include "common/gateway/ack_answer.h"

#include "common/status/wire_status.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

void SetTopStatus(v2::AckMessageResponse& response) {
  const v2::Status& first = response.entries(0).status();
  bool same = true;
  for (const auto& entry : response.entries()) same = same && entry.status().code() == first.code();
  if (same) {
    *response.mutable_status() = first;
  } else {
    response.mutable_status()->set_code(v2::MULTIPLE_RESULTS);
    response.mutable_status()->set_message("MULTIPLE_RESULTS: see the status of each entry");
  }
}

v2::AckMessageResponse RefuseAck(const v2::AckMessageRequest& request, const absl::Status& status) {
  v2::AckMessageResponse response;
  ToWire(status, response.mutable_status());
  for (const v2::AckMessageEntry& entry : request.entries()) {
    v2::AckMessageResultEntry* result = response.add_entries();
    result->set_message_id(entry.message_id());
    result->set_receipt_handle(entry.receipt_handle());
    *result->mutable_status() = response.status();
  }
  return response;
}

}  // namespace mansio::gateway
