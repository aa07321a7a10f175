#include "common/rpc/call_gate.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace mansio::rpc {
namespace {

// How often the calls that wait are looked through for those that have waited enough.
constexpr absl::Duration kTick = absl::Milliseconds(50);
// A call is let go so long before its deadline, so that it can still be answered.
constexpr absl::Duration kMargin = absl::Milliseconds(250);

}  // namespace

void CallGate::Hold(GatedCall* call, bool decides, absl::Time deadline) {
  const absl::Time now = absl::Now();
  const absl::Time until = std::min(now + longest_, deadline - kMargin);
  if (closed_ || held_.size() >= most_ || until <= now) {
    return call->Release(what_ == Holding::kEverything);
  }
  held_.push_back({call, decides, until});
  SetTick();
}

void CallGate::Set(Holding what, absl::Duration longest) {
  what_ = what;
  longest_ = longest;
  ReleaseIf([this](const Held& held) { return Passes(held.decides); });
}

void CallGate::Close() {
  closed_ = true;
  ReleaseIf([](const Held&) { return true; });
  if (ticking_) tick_.Cancel();
}

void CallGate::SetTick() {
  if (ticking_ || closed_ || held_.empty()) return;
  ticking_ = true;
  tick_.Set(thread_->queue(), absl::ToChronoTime(absl::Now() + kTick),
            RpcThread::Tag(&tick_event_));
}

void CallGate::OnTick(bool ok) {
  ticking_ = false;
  if (!ok || closed_) return;
  const absl::Time now = absl::Now();
  ReleaseIf([now](const Held& held) { return now >= held.until; });
  SetTick();
}

void CallGate::ReleaseIf(absl::AnyInvocable<bool(const Held&) const> goes) {
  std::deque<Held> held;
  held.swap(held_);
  std::deque<Held> going;
  for (Held& each : held) (goes(each) ? going : held_).push_back(each);
  for (const Held& each : going) each.call->Release(closed_ || what_ == Holding::kEverything);
}

void CallGate::Began(GatedCall* call) {
  call->gate_place = running_.size();
  running_.push_back(call);
  running_count_.store(running_.size(), std::memory_order_relaxed);
}

void CallGate::Handled(GatedCall* call) {
  running_[call->gate_place] = running_.back();
  running_[call->gate_place]->gate_place = call->gate_place;
  running_.pop_back();
  running_count_.store(running_.size(), std::memory_order_release);
  if (running_.empty() && wanted_.load(std::memory_order_relaxed)) {
    const MutexLock lock(&mutex_);
    handled_.SignalAll();
  }
}

void CallGate::CancelRunning() {
  for (GatedCall* call : running_) call->Cancel();
}

bool CallGate::WaitUntilHandled(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const MutexLock lock(&mutex_);
  wanted_.store(true);
  while (running_count_.load() != 0) {
    // In short steps: whoever handles the last call may not have seen yet that it is wanted.
    if (handled_.WaitUntil(&mutex_, std::min(deadline, absl::Now() + kTick)) &&
        absl::Now() >= deadline) {
      break;
    }
  }
  wanted_.store(false);
  return running_count_.load() == 0;
}

}  // namespace mansio::rpc
