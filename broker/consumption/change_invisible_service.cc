#include "broker/consumption/change_invisible_service.h"

#include <memory>
#include <utility>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/durations.h"
#include "broker/consumption/lease_lookup.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::StatusOr<absl::Duration> CheckRequest(const v2::ChangeInvisibleDurationRequest& request) {
  if (absl::Status s = names::ValidateConsumerGroup(request.group().name()); !s.ok()) return s;
  if (absl::Status s = names::ValidateTopic(request.topic().name()); !s.ok()) return s;
  if (request.has_lite_topic() || request.suspend()) {
    return WireError(v2::NOT_IMPLEMENTED,
                     "lite topics and the field `suspend` are not served by this version");
  }
  const auto invisible = ToDuration(request.invisible_duration());
  if (!invisible.has_value() || *invisible < absl::ZeroDuration() || *invisible > kMaxInvisible) {
    return WireError(v2::ILLEGAL_INVISIBLE_TIME,
                     "invisible_duration must be between 0 and 12 hours");
  }
  return *invisible;
}

// SDKs overwrite their handle from the answer even when it is an error (RocketMQ 5 API).
void Answer(rpc::UnaryCall& call, const absl::Status& status, const std::string& handle) {
  v2::ChangeInvisibleDurationResponse response;
  ToWire(status, response.mutable_status());
  response.set_receipt_handle(handle);
  rpc::Reply(call, response);
}

// The new deadline on its way into the log; the new lease id is the record's place.
class ChangeAppend : public store::Append {
 public:
  ChangeAppend(rpc::UnaryCall& call, const ConsumptionContext& context, ReceiptHandle handle,
               std::string old_handle)
      : call_(call),
        context_(context),
        handle_(std::move(handle)),
        old_handle_(std::move(old_handle)) {}
  void Applied(const store::AppendResult& result) override {
    handle_.lease = result.PositionOf(0);
    Answer(call_, absl::OkStatus(), handle_.Encode(context_.metadata.handle_key()));
  }
  void Failed(const absl::Status& status) override {
    context_.leases.KeepLeases(
        {handle_.group, handle_.topic, true, {{handle_.queue, 0, {handle_.offset}}}});
    Answer(call_, AppendRefused(status), old_handle_);
  }

 private:
  rpc::UnaryCall& call_;
  const ConsumptionContext& context_;
  ReceiptHandle handle_;
  const std::string old_handle_;
};

}  // namespace

void ChangeInvisibleService::Handle(rpc::UnaryCall& call,
                                    const v2::ChangeInvisibleDurationRequest& request) {
  const std::string& text = request.receipt_handle();
  const auto client = gateway::IdentifyClient(call, context_.clients);
  if (!client.ok()) return Answer(call, client.status(), text);
  const absl::StatusOr<absl::Duration> invisible = CheckRequest(request);
  if (!invisible.ok()) return Answer(call, invisible.status(), text);
  const LeaseScope scope =
      FindScope(context_, request.group().name(), *client, request.topic().name());
  const auto handle = OpenHandle(context_, scope, text);
  if (!handle.ok()) return Answer(call, handle.status(), text);

  const GroupPtr group = context_.members.GroupOf(scope.group->id);
  const int64_t now = context_.time.NowMillis();
  MutexLock lock(&scope.progress->mutex);
  const auto queue = FindLease(*handle, *scope.progress, now);
  if (!queue.ok()) return Answer(call, queue.status(), text);
  // A consumer whose leases are renewed has no use for more time: it gives the message back, and
  // the time is the back-off until the next attempt. Behind the last one there is nothing to wait
  // for. Whoever chose the time of its lease itself may just want more.
  const bool given_back = (*queue)->Find(handle->offset, handle->lease)->auto_renew;
  const bool last =
      given_back && !(*queue)->fifo() && group != nullptr && handle->attempt >= group->max_attempts;
  (*queue)->ClaimEnd(handle->offset);
  LeaseChangedRecord record{scope.group->id,
                            handle->topic,
                            handle->queue,
                            handle->offset,
                            last ? now : now + absl::ToInt64Milliseconds(*invisible),
                            handle->attempt};
  auto append = std::make_unique<ChangeAppend>(call, context_, *handle, text);
  append->AddRecord(kLeaseChangedRecord, record.Encode());
  const absl::Status refused = context_.store().Submit(std::move(append));
  if (refused.ok()) return;
  (*queue)->UnclaimEnd(handle->offset);
  Answer(call, AppendRefused(refused), text);
}

}  // namespace mansio::broker
