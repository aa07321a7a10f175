#include "broker/consumption/lease_lookup.h"

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status Ended() {
  return WireError(
      v2::INVALID_RECEIPT_HANDLE,
      "the receipt handle is expired or was used already: its message was acknowledged, "
      "or will be delivered again with a new handle");
}

// Whether the handle's message is one of the topic, or waits to be retried as one.
bool IsOf(const ReceiptHandle& handle, const LeaseScope& scope) {
  if (handle.topic == scope.topic->id) return true;
  MutexLock lock(&scope.progress->mutex);
  const auto retry = scope.progress->RetryOf(scope.topic->id);
  return retry.has_value() && retry->key == store::QueueKey{handle.topic, handle.queue};
}

}  // namespace

LeaseScope FindScope(const ConsumptionContext& context, std::string_view group,
                     std::string_view client, std::string_view topic) {
  LeaseScope scope;
  scope.group = context.metadata.FindGroup(group);
  scope.topic = context.metadata.FindTopic(topic);
  if (scope.group != nullptr) scope.group = context.members.Find(scope.group, client);
  if (scope.group != nullptr) scope.progress = context.state.Find(scope.group->id);
  return scope;
}

absl::StatusOr<ReceiptHandle> OpenHandle(const ConsumptionContext& context, const LeaseScope& scope,
                                         std::string_view text) {
  auto handle = ReceiptHandle::Decode(text, context.metadata.handle_key());
  if (!handle.ok()) return handle.status();
  if (scope.group == nullptr || scope.topic == nullptr || scope.progress == nullptr ||
      handle->group != scope.group->id || !IsOf(*handle, scope)) {
    return WireError(
        v2::INVALID_RECEIPT_HANDLE,
        "the receipt handle belongs to another topic or consumer group, or to one that was "
        "deleted");
  }
  return handle;
}

absl::StatusOr<QueueProgress*> FindLease(const ReceiptHandle& handle, GroupProgress& progress,
                                         int64_t now_ms) {
  QueueProgress* queue = progress.Queue({handle.topic, handle.queue});
  if (queue == nullptr) return Ended();
  const Lease* lease = queue->Find(handle.offset, handle.lease);
  if (lease == nullptr || lease->deadline_ms <= now_ms) return Ended();
  return queue;
}

}  // namespace mansio::broker
