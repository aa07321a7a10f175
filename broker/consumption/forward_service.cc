#include "broker/consumption/forward_service.h"

#include <string>
#include <utility>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/lease_lookup.h"
#include "common/clock/broker_time.h"
#include "common/gateway/preamble.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status CheckRequest(const v2::ForwardMessageToDeadLetterQueueRequest& request) {
  if (absl::Status s = names::ValidateConsumerGroup(request.group().name()); !s.ok()) return s;
  if (absl::Status s = names::ValidateTopic(request.topic().name()); !s.ok()) return s;
  if (request.has_lite_topic()) {
    return WireError(v2::NOT_IMPLEMENTED, "lite topics are not served by this version");
  }
  return absl::OkStatus();
}

absl::Status ForwardFailed(const absl::Status& status) {
  if (!absl::IsDataLoss(status)) return AppendRefused(status);
  return WireError(v2::INTERNAL_SERVER_ERROR, std::string(status.message()));
}

}  // namespace

void ForwardService::Handle(rpc::UnaryCall& call,
                            const v2::ForwardMessageToDeadLetterQueueRequest& request) {
  const auto answer = [&call](const absl::Status& status) {
    call.Finish(gateway::StatusResponse(status));
  };
  const auto client = gateway::IdentifyClient(call, context_.clients);
  absl::Status refused = client.ok() ? CheckRequest(request) : client.status();
  if (!refused.ok()) return answer(refused);
  const LeaseScope scope =
      FindScope(context_, request.group().name(), *client, request.topic().name());
  const auto handle = OpenHandle(context_, scope, request.receipt_handle());
  if (!handle.ok()) return answer(handle.status());

  QueueProgress::Ended given_up{handle->offset, {}, false};
  {
    MutexLock lock(&scope.progress->mutex);
    const auto queue = FindLease(*handle, *scope.progress, context_.time.NowMillis());
    if (!queue.ok()) return answer(absl::OkStatus());
    given_up.lease = *(*queue)->Find(handle->offset, handle->lease);
  }
  const ProgressKey key{handle->group, handle->topic, handle->queue};
  const int64_t deadline_ms = given_up.lease.deadline_ms;
  context_.redelivery.Move(key, {given_up}, Redelivery::Cause::kForwarded,
                           [this, answer, key, deadline_ms](const Redelivery::Outcome& outcome) {
                             if (outcome.status.ok()) return answer(outcome.status);
                             // The lease lives on; while it was claimed, nobody saw when it lapses.
                             context_.leases.Note(key, deadline_ms);
                             answer(ForwardFailed(outcome.status));
                           });
}

}  // namespace mansio::broker
