#include "common/gateway/send_holds.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/gateway/public_service.h"
#include "common/status/wire_status.h"
#include "common/timer/timer_queue.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

std::optional<SendHolds::Passage> SendHolds::Pass(std::string_view topic, rpc::UnaryCall& call,
                                                  std::function<void()> again) {
  gate_.ReaderLock();
  Passage passage(&gate_);
  {
    MutexLock lock(&mutex_);
    const auto held = held_.find(topic);
    if (held == held_.end()) return passage;
    const size_t bytes = call.Request().size();
    if (waiting_ < limits_.sends && waiting_bytes_ + bytes <= limits_.bytes) {
      ++waiting_;
      waiting_bytes_ += bytes;
      held->second.bytes += bytes;
      held->second.sends.push_back({&call, std::move(again)});
      return std::nullopt;
    }
  }
  call.Finish(StatusResponse(
      WireError(v2::TOO_MANY_REQUESTS,
                fmt::format("message groups of topic {} are being divided between other brokers, "
                            "and as many sends wait for that already as limits.forwarded-calls and "
                            "limits.forwarded-bytes allow; send again in a second",
                            topic))));
  return std::nullopt;
}

std::optional<SendHolds::Passage> SendHolds::PassNow(std::string_view topic) {
  gate_.ReaderLock();
  Passage passage(&gate_);
  MutexLock lock(&mutex_);
  if (held_.contains(topic)) return std::nullopt;
  return passage;
}

bool SendHolds::Hold(const std::string& topic, std::string_view holder, int64_t ms) {
  uint64_t turn = 0;
  {
    MutexLock lock(&mutex_);
    if (stopped_) return true;  // no send comes any more
    const auto [held, added] = held_.try_emplace(topic);
    if (added) held->second.holder = std::string(holder);
    if (held->second.holder != holder) return false;
    turn = held->second.turn = ++last_turn_;
  }
  timers_->ScheduleAfter(std::min(ms, kLongestMs), [this, topic, turn] { Expire(topic, turn); });
  MutexLock all_through(&gate_);
  return true;
}

bool SendHolds::Keep(std::string_view topic, std::string_view holder) {
  MutexLock lock(&mutex_);
  const auto held = held_.find(topic);
  if (held == held_.end() || held->second.holder != holder) return false;
  held->second.kept = true;
  return true;
}

void SendHolds::Release(std::string_view topic, std::string_view holder) {
  End(topic, [holder](const Held& held) { return held.holder == holder && !held.kept; });
}

void SendHolds::Done(std::string_view topic, std::string_view holder) {
  End(topic, [holder](const Held& held) { return held.holder == holder; });
}

void SendHolds::Expire(const std::string& topic, uint64_t turn) {
  End(topic, [turn](const Held& held) { return held.turn == turn && !held.kept; });
}

void SendHolds::End(std::string_view topic, absl::FunctionRef<bool(const Held&)> is_meant) {
  std::vector<Waiting> sends;
  {
    MutexLock lock(&mutex_);
    const auto held = held_.find(topic);
    if (held == held_.end() || !is_meant(held->second)) return;
    sends = std::move(held->second.sends);
    waiting_ -= sends.size();
    waiting_bytes_ -= held->second.bytes;
    held_.erase(held);
  }
  Resume(std::move(sends));
}

void SendHolds::Stop() {
  std::vector<std::string> topics;
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    for (const auto& [topic, held] : held_) topics.push_back(topic);
  }
  for (const std::string& topic : topics) {
    End(topic, [](const Held&) { return true; });
  }
}

void SendHolds::Resume(std::vector<Waiting> sends) {
  for (Waiting& send : sends) send.call->Post(std::move(send.again));
}

}  // namespace mansio::gateway
