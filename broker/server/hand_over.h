#ifndef MANSIO_BROKER_SERVER_HAND_OVER_H_
#define MANSIO_BROKER_SERVER_HAND_OVER_H_

#include <atomic>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/master.h"
#include "broker/server/reign_gate.h"
#include "common/clock/clock.h"
#include "common/timer/timer_queue.h"
#include "store/types.h"

namespace mansio::broker {

// Whether a group's master takes clients' calls, and how it ceases to, in favour of another member:
// it takes no more, waits until what it has accepted is committed and its heir has all of its log,
// and goes on, unless it ends, when that does not come. Thread-safe.
class HandOver {
 public:
  struct Environment {
    std::string broker;  // the group's name
    BrokerId self = 0;
    const Clock* clock = nullptr;  // borrowed, as the next two
    TimerQueue* timers = nullptr;
    ReignGate* gate = nullptr;
    std::function<std::vector<SlaveState>()> slaves;  // as Master's, and the next
    std::function<std::set<BrokerId>()> in_sync;
    // Where the log ends; nullopt while something that was accepted is not committed.
    std::function<std::optional<store::LogOffset>()> committed_end;
    // `reigns` has changed. Must not block.
    std::function<void()> changed;
    // Where the master is elected: the reign is over; gives it up in favour of `heir`
    // (ElectedRole::HandOver, which waits for etcd), and whether that could be done now. All null:
    // roles are static.
    std::function<bool()> is_deposed;
    std::function<absl::Status(BrokerId heir)> may_elect;
    std::function<absl::Status(BrokerId heir)> elect;
  };
  using Done = std::function<void(const absl::Status&)>;

  explicit HandOver(Environment environment) : environment_(std::move(environment)) {}

  // Clients' calls are taken. At first they are not.
  bool reigns() const { return reigns_; }
  // From now on they are: the reign has begun, or goes on after a hand-over that came to nothing.
  // Nothing when the reign is over.
  void TakeCalls();
  // Takes no more, and calls `done` with OK when `heir` has all of the log. FailedPrecondition or
  // Unavailable: it cannot be handed over now, or not to that member; DeadlineExceeded: the heir
  // has not got it for some seconds, and the master goes on; Aborted: its reign is over. `done` is
  // called once, here or on the timers' thread, unless the timers stop.
  void To(BrokerId heir, Done done);
  // Before the end of an elected master: gives the group to the member in sync that has most, if
  // there is one. Waits for that for some seconds at most. Not on the timers' thread.
  void StepAside();

 private:
  // Looks at the heir again and again until `deadline`.
  void AwaitHeir(BrokerId heir, absl::Duration deadline, const Done& done);
  bool HoldsAll(BrokerId heir) const;
  bool IsConnected(BrokerId member) const;
  // The member to step aside for; nullopt: there is none.
  std::optional<BrokerId> BestHeir() const;
  bool is_deposed() const { return environment_.is_deposed && environment_.is_deposed(); }

  const Environment environment_;
  std::atomic<bool> reigns_{false};
  std::atomic<bool> ends_{false};  // StepAside was called
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_HAND_OVER_H_
