#include "broker/consumption/receive_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/consumption.h"
#include "broker/consumption/durations.h"
#include "common/hash/siphash.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// SDKs send no request timeout with a receive; this is their common default (RocketMQ 5 API).
constexpr absl::Duration kRequestTimeout = absl::Seconds(3);
// A call is answered this much before its deadline, or the client would not see the answer.
constexpr absl::Duration kDeadlineMargin = absl::Milliseconds(200);

// Clients before 5.0.3 do not know ILLEGAL_POLLING_TIME.
bool KnowsPollingCode(std::string_view version) {
  int part[3] = {0, 0, 0};
  for (int i = 0; i < 3 && !version.empty(); ++i) {
    part[i] = std::atoi(std::string(version.substr(0, 8)).c_str());
    const size_t dot = version.find('.');
    version = dot == std::string_view::npos ? std::string_view() : version.substr(dot + 1);
  }
  return std::make_tuple(part[0], part[1], part[2]) >= std::make_tuple(5, 0, 3);
}

absl::StatusOr<absl::Duration> PollingTime(const v2::ReceiveMessageRequest& request,
                                           const rpc::Call& call, const ConsumptionOptions& options,
                                           absl::Time now) {
  const absl::Duration remaining = call.Deadline() - now;
  absl::Duration polling = options.max_long_polling;
  if (request.has_long_polling_timeout()) {
    const auto asked = ToDuration(request.long_polling_timeout());
    if (!asked.has_value() || *asked < absl::ZeroDuration()) {
      return WireError(v2::ILLEGAL_POLLING_TIME,
                       "long_polling_timeout is negative or not a valid duration");
    }
    polling = *asked;
  } else if (remaining < absl::InfiniteDuration()) {
    polling = remaining - kRequestTimeout / 2;
  }
  polling = std::clamp(polling, options.min_long_polling, options.max_long_polling);
  if (polling <= remaining - kDeadlineMargin) return polling;
  if (remaining >= options.min_long_polling) return remaining - kDeadlineMargin;
  return WireError(
      KnowsPollingCode(call.Metadata("x-mq-client-version")) ? v2::ILLEGAL_POLLING_TIME
                                                             : v2::BAD_REQUEST,
      fmt::format("the call's deadline leaves {} for polling, the least is {}; give the request a "
                  "longer timeout, in SDKs an await duration of 2 s or more",
                  absl::FormatDuration(std::max(remaining, absl::ZeroDuration())),
                  absl::FormatDuration(options.min_long_polling)));
}

}  // namespace

absl::StatusOr<ReceiveRequest> CheckReceive(const v2::ReceiveMessageRequest& request,
                                            const rpc::Call& call,
                                            const ConsumptionOptions& options, FilterCache& filters,
                                            absl::Time now) {
  ReceiveRequest checked;
  checked.topic = request.message_queue().topic().name();
  checked.topic_namespace = request.message_queue().topic().resource_namespace();
  checked.group = request.group().name();
  if (absl::Status s = names::ValidateTopic(checked.topic); !s.ok()) return s;
  if (absl::Status s = names::ValidateConsumerGroup(checked.group); !s.ok()) return s;
  absl::StatusOr<FilterPtr> filter =
      filters.Get(request.filter_expression().type(), request.filter_expression().expression());
  if (!filter.ok()) return filter.status();
  checked.filter = *std::move(filter);
  checked.filter_text = request.filter_expression().expression();
  checked.batch = std::clamp(request.batch_size(), 1, options.receive_batch);
  checked.auto_renew = request.auto_renew();
  if (request.has_attempt_id()) checked.attempt_id = SipHash24({2, 0}, request.attempt_id());
  if (!checked.auto_renew) {
    const auto invisible = ToDuration(request.invisible_duration());
    if (!invisible.has_value() || *invisible < kMinInvisible || *invisible > kMaxInvisible) {
      return WireError(v2::ILLEGAL_INVISIBLE_TIME,
                       "invisible_duration must be between 10 seconds and 12 hours");
    }
    checked.invisible = *invisible;
  }
  absl::StatusOr<absl::Duration> polling = PollingTime(request, call, options, now);
  if (!polling.ok()) return polling.status();
  checked.polling = *polling;
  return checked;
}

}  // namespace mansio::broker
