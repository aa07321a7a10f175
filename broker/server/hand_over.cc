#include "broker/server/hand_over.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"

namespace mansio::broker {
namespace {

// How long a master that hands over waits for what it has accepted, and then for its heir.
constexpr int64_t kLastSendsMs = 300;
constexpr int64_t kLookAgainMs = 20;
constexpr absl::Duration kHandOverPatience = absl::Seconds(10);
// And then for etcd to know.
constexpr absl::Duration kStepDownPatience = absl::Seconds(2);
constexpr absl::Duration kLook = absl::Milliseconds(10);

// What came of a hand-over that somebody waits for, or has given up waiting for.
class Answer {
 public:
  void Set(const absl::Status& came) {
    const MutexLock lock(&mutex_);
    came_ = came;
    changed_.SignalAll();
  }
  absl::Status Await(const Clock& clock, absl::Duration until) {
    const MutexLock lock(&mutex_);
    while (!came_.has_value()) {
      if (clock.BootNow() >= until) return absl::DeadlineExceededError("nothing came of it");
      static_cast<void>(changed_.WaitFor(&mutex_, kLook));
    }
    return *came_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<absl::Status> came_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void HandOver::TakeCalls() {
  if (is_deposed()) return;
  environment_.gate->Open();
  reigns_ = true;
  environment_.changed();
}

void HandOver::To(BrokerId heir, Done done) {
  if (environment_.elect != nullptr) {
    const std::set<BrokerId> in_sync = environment_.in_sync();
    if (heir == environment_.self || !in_sync.contains(heir)) {
      return done(absl::FailedPreconditionError(fmt::format(
          "member {} is not another one of the in-sync members {{{}}}, which may lack messages; "
          "mansio broker list shows them",
          heir, fmt::join(in_sync, ", "))));
    }
    if (absl::Status may = environment_.may_elect(heir); !may.ok()) return done(may);
  }
  if (!reigns_.exchange(false)) {
    return done(absl::FailedPreconditionError(
        "the master's reign has not begun yet, or it is handing over already: try again in a "
        "moment"));
  }
  LOG_WARNING("Hands over to member {} of {}: takes no more", heir, environment_.broker);
  // What comes from now on waits for the heir.
  environment_.changed();
  environment_.gate->Close("the broker hands over to another member of its group; try again soon");
  // What had passed the gate is in the log by then.
  environment_.timers->ScheduleAfter(kLastSendsMs, [this, heir, done = std::move(done)] {
    AwaitHeir(heir, environment_.clock->BootNow() + kHandOverPatience, done);
  });
}

bool HandOver::HoldsAll(BrokerId heir) const {
  const std::optional<store::LogOffset> end = environment_.committed_end();
  if (!end.has_value()) return false;
  for (const SlaveState& slave : environment_.slaves()) {
    if (slave.id == heir && slave.connected && slave.held >= *end) return true;
  }
  return false;
}

bool HandOver::IsConnected(BrokerId member) const {
  for (const SlaveState& slave : environment_.slaves()) {
    if (slave.id == member && slave.connected) return true;
  }
  return false;
}

void HandOver::AwaitHeir(BrokerId heir, absl::Duration deadline, const Done& done) {
  if (is_deposed()) {
    return done(absl::AbortedError(
        "this broker is not the master any more: mansio broker list shows who is"));
  }
  if (HoldsAll(heir)) return done(absl::OkStatus());
  if (ends_ && !IsConnected(heir)) {
    TakeCalls();
    return done(absl::UnavailableError(fmt::format("member {} has gone, too", heir)));
  }
  if (environment_.clock->BootNow() >= deadline) {
    TakeCalls();
    return done(absl::DeadlineExceededError(
        fmt::format("member {} does not get all of the log in {}{}", heir,
                    absl::FormatDuration(kHandOverPatience),
                    ends_ ? ""
                          : ": look whether it is connected, with mansio broker list. The "
                            "master goes on")));
  }
  environment_.timers->ScheduleAfter(
      kLookAgainMs, [this, heir, deadline, done] { AwaitHeir(heir, deadline, done); });
}

std::optional<BrokerId> HandOver::BestHeir() const {
  std::optional<BrokerId> heir;
  store::LogOffset most = 0;
  for (const SlaveState& slave : environment_.slaves()) {
    if (!slave.connected || !slave.in_sync || slave.held < most) continue;
    heir = slave.id;
    most = slave.held;
  }
  return heir;
}

void HandOver::StepAside() {
  if (environment_.elect == nullptr || !reigns_) return;
  ends_ = true;
  const std::optional<BrokerId> heir = BestHeir();
  if (!heir.has_value()) return;
  const auto answer = std::make_shared<Answer>();
  To(*heir, [answer](const absl::Status& came) { answer->Set(came); });
  // The end must not depend on the timers.
  const absl::Duration patience = kHandOverPatience + kStepDownPatience;
  absl::Status status =
      answer->Await(*environment_.clock, environment_.clock->BootNow() + patience);
  if (status.ok()) status = environment_.elect(*heir);
  if (!status.ok()) {
    LOG_WARNING("Ends without handing over: {}", std::string(status.message()));
    return;
  }
  const absl::Duration give_up = environment_.clock->BootNow() + kStepDownPatience;
  while (!is_deposed() && environment_.clock->BootNow() < give_up) absl::SleepFor(kLook);
}

}  // namespace mansio::broker
