#include "broker/consumption/ack_service.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/lease_lookup.h"
#include "common/clock/broker_time.h"
#include "common/gateway/ack_answer.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status CheckRequest(const v2::AckMessageRequest& request) {
  if (absl::Status s = names::ValidateConsumerGroup(request.group().name()); !s.ok()) return s;
  if (absl::Status s = names::ValidateTopic(request.topic().name()); !s.ok()) return s;
  if (request.entries().empty()) {
    return WireError(v2::INTERNAL_SERVER_ERROR,
                     "the ack names no message; give at least one entry");
  }
  for (const v2::AckMessageEntry& entry : request.entries()) {
    if (entry.has_lite_topic()) {
      return WireError(v2::NOT_IMPLEMENTED, "lite topics are not served by this version");
    }
  }
  return absl::OkStatus();
}

// The ends of a request's leases on their way into the log, with the answer ready.
class AckAppend : public store::Append {
 public:
  AckAppend(rpc::UnaryCall& call, std::string answer, LeaseKeeper& leases,
            std::vector<LeasesEndRecord> records)
      : call_(call), answer_(std::move(answer)), leases_(leases), records_(std::move(records)) {
    for (const LeasesEndRecord& record : records_) AddRecord(kAckRecord, record.Encode());
  }
  void Applied(const store::AppendResult&) override {
    call_.Finish(rpc::Payload(std::move(answer_)));
  }
  void Failed(const absl::Status& status) override {
    for (const LeasesEndRecord& record : records_) leases_.KeepLeases(record);
    call_.Finish(gateway::StatusResponse(AppendRefused(status)));
  }

 private:
  rpc::UnaryCall& call_;
  std::string answer_;
  LeaseKeeper& leases_;
  const std::vector<LeasesEndRecord> records_;
};

}  // namespace

void AckService::Handle(rpc::UnaryCall& call, const v2::AckMessageRequest& request) {
  const auto client = gateway::IdentifyClient(call, context_.clients);
  absl::Status refused = client.ok() ? CheckRequest(request) : client.status();
  if (!refused.ok()) return call.Finish(gateway::StatusResponse(refused));

  const LeaseScope scope =
      FindScope(context_, request.group().name(), *client, request.topic().name());
  v2::AckMessageResponse response;
  std::vector<absl::StatusOr<ReceiptHandle>> handles;
  for (const v2::AckMessageEntry& entry : request.entries()) {
    v2::AckMessageResultEntry* result = response.add_entries();
    result->set_message_id(entry.message_id());
    result->set_receipt_handle(entry.receipt_handle());
    handles.push_back(OpenHandle(context_, scope, entry.receipt_handle()));
    ToWire(handles.back().status(), result->mutable_status());
  }
  if (scope.progress == nullptr) {
    gateway::SetTopStatus(response);
    return rpc::Reply(call, response);
  }

  const int64_t now = context_.time.NowMillis();
  MutexLock lock(&scope.progress->mutex);
  EndsByQueue ends;
  for (size_t i = 0; i < handles.size(); ++i) {
    if (!handles[i].ok()) continue;
    const auto queue = FindLease(*handles[i], *scope.progress, now);
    ToWire(queue.status(), response.mutable_entries(static_cast<int>(i))->mutable_status());
    if (!queue.ok()) continue;
    (*queue)->ClaimEnd(handles[i]->offset);
    ends[{handles[i]->topic, handles[i]->queue}].insert(handles[i]->offset);
  }
  gateway::SetTopStatus(response);
  if (ends.empty()) return rpc::Reply(call, response);
  auto append = std::make_unique<AckAppend>(call, response.SerializeAsString(), context_.leases,
                                            EndRecords(scope.group->id, true, ends));
  refused = context_.store().Submit(std::move(append));
  if (refused.ok()) return;
  for (const auto& [queue, offsets] : ends) {
    QueueProgress* progress = scope.progress->Queue(queue);
    for (const store::QueueOffset offset : offsets) progress->UnclaimEnd(offset);
  }
  call.Finish(gateway::StatusResponse(AppendRefused(refused)));
}

}  // namespace mansio::broker
