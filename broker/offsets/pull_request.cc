#include "broker/offsets/pull_request.h"

#include <algorithm>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/durations.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// A call is answered this much before its deadline, or the client would not see the answer.
constexpr absl::Duration kPullDeadlineMargin = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<PullRequest> CheckPull(const v2::PullMessageRequest& request, const rpc::Call& call,
                                      const OffsetsContext& context, absl::Time now) {
  PullRequest checked;
  checked.group = request.group().name();
  if (absl::Status s = names::ValidateConsumerGroup(checked.group); !s.ok()) return s;
  absl::StatusOr<NamedQueue> queue = FindQueue(context, request.message_queue());
  if (!queue.ok()) return queue.status();
  checked.queue = *std::move(queue);
  checked.topic_namespace = request.message_queue().topic().resource_namespace();
  absl::StatusOr<FilterPtr> filter = context.filters.Get(request.filter_expression().type(),
                                                         request.filter_expression().expression());
  if (!filter.ok()) return filter.status();
  checked.filter = *std::move(filter);
  checked.offset = request.offset();
  checked.batch = std::clamp(request.batch_size(), 1, context.options.pull_batch);
  const auto polling = ToDuration(request.long_polling_timeout());
  if (!polling.has_value() || *polling < absl::ZeroDuration()) {
    return WireError(v2::ILLEGAL_POLLING_TIME,
                     "long_polling_timeout is negative or not a valid duration");
  }
  const absl::Duration left = call.Deadline() - now - kPullDeadlineMargin;
  checked.polling =
      std::max(absl::ZeroDuration(), std::min({*polling, context.options.max_long_polling, left}));
  return checked;
}

}  // namespace mansio::broker
