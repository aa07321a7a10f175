#include "broker/server/held_receives.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/consumption/durations.h"
#include "common/gateway/preamble.h"
#include "common/rpc/proto_call.h"
#include "common/status/wire_status.h"
#include "common/timer/timer_queue.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

void EndStream(rpc::ServerStreamCall& call, const absl::Status& status) {
  std::vector<rpc::Payload> only_status;
  only_status.push_back(gateway::StatusResponse(status));
  call.Finish(std::move(only_status), [](bool) {});
}

absl::Status NothingFound() {
  return WireError(v2::MESSAGE_NOT_FOUND,
                   "no message came within the polling time; the broker group has no master at "
                   "the moment, and nobody else hands anything out");
}

absl::Duration AskedPolling(std::string_view bytes, absl::Duration longest) {
  v2::ReceiveMessageRequest request;
  if (!rpc::Parse(bytes, &request) || !request.has_long_polling_timeout()) return longest;
  return ToDuration(request.long_polling_timeout()).value_or(longest);
}

}  // namespace

void HeldReceives::Hold(rpc::ServerStreamCall& call) {
  const auto client = gateway::IdentifyClient(call, *clients_);
  if (!client.ok()) return EndStream(call, client.status());
  const absl::Duration left = call.Deadline() - absl::Now() - options_.answer_margin;
  const absl::Duration polling =
      std::clamp(std::min(AskedPolling(call.Request(), options_.max_polling), left),
                 absl::ZeroDuration(), options_.max_polling);
  call.ForgetRequest();
  uint64_t number = 0;
  {
    const MutexLock lock(&mutex_);
    number = ++last_;
  }
  // One that is cancelled before it is held ends with its time.
  call.OnCancel([this, number] { Release(number); });
  absl::Status refused;
  {
    const MutexLock lock(&mutex_);
    if (held_.size() >= options_.max_held) {
      refused = WireError(v2::TOO_MANY_REQUESTS,
                          "as many receives wait as limits.parked-receives allows");
    } else if (stopped_) {
      refused = NothingFound();
    } else {
      held_.emplace(number, &call);
    }
  }
  if (!refused.ok()) return EndStream(call, refused);
  timers_->ScheduleAfter(absl::ToInt64Milliseconds(polling), [this, number] { Release(number); });
}

void HeldReceives::Release(uint64_t number) {
  rpc::ServerStreamCall* call = nullptr;
  {
    const MutexLock lock(&mutex_);
    const auto found = held_.find(number);
    if (found == held_.end()) return;
    call = found->second;
    held_.erase(found);
  }
  EndStream(*call, NothingFound());
}

void HeldReceives::ReleaseAll() {
  std::vector<uint64_t> numbers;
  {
    const MutexLock lock(&mutex_);
    for (const auto& [number, call] : held_) numbers.push_back(number);
  }
  for (const uint64_t number : numbers) Release(number);
}

void HeldReceives::Stop() {
  {
    const MutexLock lock(&mutex_);
    stopped_ = true;
  }
  ReleaseAll();
}

}  // namespace mansio::broker
