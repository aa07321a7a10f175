#include "broker/send/send_append.h"

#include <fmt/format.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/gateway/preamble.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

absl::Status ToSendStatus(const absl::Status& store_status) {
  std::string sentence(store_status.message().data(), store_status.message().size());
  switch (store_status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return WireError(v2::TOO_MANY_REQUESTS, std::move(sentence));
    case absl::StatusCode::kInvalidArgument:
      return WireError(v2::PAYLOAD_TOO_LARGE, std::move(sentence));
    default:
      return WireError(v2::INTERNAL_SERVER_ERROR, std::move(sentence));
  }
}

absl::Status CheckRoomForEnd(const store::Store& store, size_t append_bytes) {
  // An expiry names the topic and gives a reason; the others are shorter.
  constexpr size_t kEndBytes = 1024;
  if (append_bytes + kEndBytes <= store.MaxAppendBytes()) return absl::OkStatus();
  return WireError(v2::PAYLOAD_TOO_LARGE,
                   fmt::format("the message takes {} bytes; one can have {} with this "
                               "store.segment-bytes: send it in parts",
                               append_bytes, store.MaxAppendBytes() - kEndBytes));
}

void SingleSend::Applied(const store::AppendResult& result) {
  const store::QueueOffset offset = result.queue_offsets.front();
  const std::string recall_handle = recall_handle_ ? recall_handle_(offset) : "";
  call_->Finish(rpc::Payload(
      EncodeStored(message_id_, static_cast<int64_t>(offset), {.recall_handle = recall_handle})));
}

void SingleSend::Failed(const absl::Status& status) {
  call_->Finish(gateway::StatusResponse(ToSendStatus(status)));
}

void BatchCall::Stored(size_t index, store::QueueOffset offset) {
  SendOutcome& outcome = outcomes_[index];
  outcome.queue_offset = static_cast<int64_t>(offset);
  if (recall_handles_[index]) outcome.recall_handle = recall_handles_[index](offset);
}

void BatchCall::PartDone() {
  if (parts_left_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  call_->Finish(rpc::Payload(EncodeOutcomes(outcomes_)));
}

void BatchPart::Applied(const store::AppendResult& result) {
  for (size_t i = 0; i < count_; ++i) batch_->Stored(first_ + i, result.queue_offsets[i]);
  batch_->PartDone();
}

void BatchPart::Failed(const absl::Status& status) {
  const absl::Status refusal = ToSendStatus(status);
  for (size_t i = 0; i < count_; ++i) batch_->outcome(first_ + i).status = refusal;
  batch_->PartDone();
}

}  // namespace mansio::broker
