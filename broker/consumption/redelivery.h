#ifndef MANSIO_BROKER_CONSUMPTION_REDELIVERY_H_
#define MANSIO_BROKER_CONSUMPTION_REDELIVERY_H_

#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "broker/consumption/broadcast_members.h"
#include "broker/consumption/consumption_state.h"
#include "broker/consumption/delivery_counters.h"
#include "broker/consumption/wait_list.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

class AppendBudget;
class Mover;

// Why a message is a dead letter.
inline constexpr std::string_view kReasonAttempts = "attempts";    // all were used up
inline constexpr std::string_view kReasonForwarded = "forwarded";  // its consumer gave it up
inline constexpr std::string_view kReasonExpired = "expired";      // it was not consumed in time
inline constexpr std::string_view kReasonOverflow = "overflow";    // too many were before it

// What becomes of messages whose lease ended without an ack (design section 6). One atomic frame
// holds the end of the lease and the copy of the message: in the group's retry queue with its
// attempts counted, or, when they are used up, in its dead letters. A lease that was renewed as
// long as that is possible gets the group's back-off instead, as nobody named a time. A client of a
// broadcast group gets its message again in place: a retry queue would be that of all clients.
//
// Messages of FIFO groups have no retry queue: only dead ones come here.
//
// Bytes are gathered first, then the leases that still live are claimed. Thread-safe.
class Redelivery {
 public:
  // All borrowed.
  struct Environment {
    ConsumptionState* state = nullptr;
    Metadata* metadata = nullptr;
    const BroadcastMembers* members = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;
    DeliveryCounters* deliveries = nullptr;
    WaitList* waiting = nullptr;
  };
  enum class Cause {
    kEnded,
    kUsedUp,  // ended, and its attempts are used up by the rules of FIFO groups
    kForwarded,
    kExpired,   // taken by a receive that did not deliver it, as it has expired
    kOverflow,  // never handed out: MoveUndelivered
  };
  struct Outcome {
    // OK once the frame is applied, also when no lease of it lived any more. Otherwise the leases
    // are as before: the store refused, or nothing of them can be read, now or (DataLoss) ever.
    absl::Status status;
    std::vector<store::QueueOffset> unreadable;  // for now; they are as before
  };
  using Done = absl::AnyInvocable<void(const Outcome&)>;

  explicit Redelivery(Environment environment) : environment_(environment) {}

  // Moves messages of one queue; `leases` may not be empty. It may stop after some of them, and
  // leave what cannot be read now: ask again for the rest. Calls `done` once, on any thread,
  // without a lock.
  void Move(const ProgressKey& queue, std::vector<QueueProgress::Ended> leases, Cause cause,
            Done done);

  // Moves `count` messages of one queue, at most 64, from the group's next one, which is at `from`,
  // to its dead letters. Stops after some when they are large or cannot be read; nothing happens
  // when the group has gone on meanwhile, or back.
  void MoveUndelivered(const ProgressKey& queue, store::QueueOffset from, size_t count, Done done);

 private:
  enum class Fate;  // what becomes of a message
  struct Decision;  // and what it needs for that
  struct Job;
  class Frame;
  using JobPtr = std::shared_ptr<Job>;

  static std::string_view ReasonOf(Cause cause);

  void Begin(JobPtr job);
  void RunWaiting();
  void Gather(const JobPtr& job);
  // Decides about each message; then the queues that are needed are made, then the frame is logged.
  void Plan(const JobPtr& job);
  // Not OK: the message cannot be read now, and is to be left.
  absl::Status PlanOne(const JobPtr& job, size_t index, const GroupRecord& group);
  void EnsureQueues(const JobPtr& job);
  void Log(const JobPtr& job);
  // What the messages of one frame may have, so that it fits the log.
  uint64_t FrameBytes() const;
  // The log takes no frame that large: leaves some messages out. False when one alone is too large
  // and has to stay where it is.
  bool Shrink(Job& job) const;
  // Takes what is not to be moved any more out of a job; returns whether there was nothing.
  bool DropStale(Job& job, GroupProgress& group) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex);
  absl::Status ClaimAndSubmit(const JobPtr& job, std::unique_ptr<Frame>& frame);
  // The job's frame was refused: its leases live on.
  void Unclaim(const Job& job);
  // Receives that came while MoveUndelivered held up the queue look again.
  void WakeReceives(const Job& job);
  void Finish(const JobPtr& job, const absl::Status& status);
  // Goes on with a job on the timers' thread.
  void Later(int64_t delay_ms, const JobPtr& job, void (Redelivery::*step)(const JobPtr&));

  const Environment environment_;
  Mutex mutex_;
  std::deque<JobPtr> waiting_ ABSL_GUARDED_BY(mutex_);
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_REDELIVERY_H_
