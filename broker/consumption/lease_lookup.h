#ifndef MANSIO_BROKER_CONSUMPTION_LEASE_LOOKUP_H_
#define MANSIO_BROKER_CONSUMPTION_LEASE_LOOKUP_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "broker/consumption/context.h"
#include "broker/consumption/receipt_handle.h"

namespace mansio::broker {

// The group and topic that a request names, as far as they exist here; of a broadcast group the
// client's place in it.
struct LeaseScope {
  GroupPtr group;
  TopicPtr topic;
  GroupProgressPtr progress;
};
LeaseScope FindScope(const ConsumptionContext& context, std::string_view group,
                     std::string_view client, std::string_view topic);

// Decodes a handle and checks that it is one of this scope. INVALID_RECEIPT_HANDLE otherwise, for
// whatever reason: SDKs stop retrying on that code only (RocketMQ 5 API).
absl::StatusOr<ReceiptHandle> OpenHandle(const ConsumptionContext& context, const LeaseScope& scope,
                                         std::string_view text);

// The queue of a handle whose lease lives now (design section 6). INVALID_RECEIPT_HANDLE when it
// was acknowledged, has passed its time, or was handed out again.
absl::StatusOr<QueueProgress*> FindLease(const ReceiptHandle& handle, GroupProgress& progress,
                                         int64_t now_ms)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(progress.mutex);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_LEASE_LOOKUP_H_
