#ifndef MANSIO_BROKER_CONSUMPTION_EXPIRED_MOVES_H_
#define MANSIO_BROKER_CONSUMPTION_EXPIRED_MOVES_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "broker/consumption/consumption_state.h"
#include "broker/consumption/group_progress.h"
#include "broker/consumption/redelivery.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio::broker {

// Moves messages that a receive found expired to their group's dead letters, while the receive's
// leases of them live. Of each queue of a group one move is under way at a time, whatever number of
// receives have found some; after a failure the next one waits, longer each time. Thread-safe.
class ExpiredMoves {
 public:
  // All borrowed.
  struct Environment {
    ConsumptionState* state = nullptr;
    TimerQueue* timers = nullptr;
    Redelivery* redelivery = nullptr;
  };
  explicit ExpiredMoves(Environment environment) : environment_(environment) {}

  // Messages of one queue. `done` runs once, on any thread: when the move that is under way or
  // begins now has ended, however; at once while moves of the queue fail.
  void Add(const ProgressKey& key, const std::vector<TakenMessage>& messages,
           absl::AnyInvocable<void()> done);

 private:
  using Messages = std::deque<TakenMessage>;
  struct Line {
    Messages waiting;
    Messages unreadable;  // for now; they have their turn when all others had theirs
    std::vector<absl::AnyInvocable<void()>> done;
    bool moving = false;
    bool take_up_set = false;  // TakeUp is on the timers
    uint32_t refusals = 0;     // by the store, in a row
    uint32_t take_ups = 0;     // in a row
  };

  void Run(const ProgressKey& key);
  // What is to be moved next; nothing when there is nothing more, or only what has to wait.
  std::vector<TakenMessage> Next(const ProgressKey& key);
  // What was unreadable has its turn.
  void TakeUp(const ProgressKey& key);
  void Ended(const ProgressKey& key, const std::vector<TakenMessage>& tried,
             const Redelivery::Outcome& outcome);
  std::vector<QueueProgress::Ended> Living(const ProgressKey& key,
                                           const std::vector<TakenMessage>& messages) const;
  void CallDone(const ProgressKey& key);

  const Environment environment_;
  Mutex mutex_;
  absl::flat_hash_map<ProgressKey, Line> lines_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_EXPIRED_MOVES_H_
