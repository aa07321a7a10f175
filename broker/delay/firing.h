#ifndef MANSIO_BROKER_DELAY_FIRING_H_
#define MANSIO_BROKER_DELAY_FIRING_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/delay/delay_state.h"
#include "broker/delay/read_ahead.h"
#include "broker/metadata/metadata.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Delivers timers when they are due (design section 8): never before by broker time, in their
// order, and each in one frame with the end of the timer, so that it happens once or not at all.
// One batch at a time is gathered and submitted; what they append is taken from the budget, so that
// overdue timers catch up beside new traffic. Their messages were read ahead, or are gathered now.
// A message that the disk does not give is tried again a second after those that are due have gone
// on. Thread-safe.
class Firing {
 public:
  // All borrowed.
  struct Environment {
    DelayState* state = nullptr;
    Metadata* metadata = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  explicit Firing(Environment environment);

  // Fires from now on, what is overdue at once. After the store is open.
  void Start();
  // Nothing is submitted any more once it has returned. Before the mover and the timers stop.
  void Stop();
  // Timers were added: there may be an earlier one.
  void Wake();

 private:
  using Contents = std::vector<absl::StatusOr<std::string>>;
  using Messages = std::vector<absl::StatusOr<store::StoredMessage>>;
  class FiredAppend;

  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnTimer() ABSL_LOCKS_EXCLUDED(mutex_);
  // Fires the next batch, or ends the round when none is due.
  void NextBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  void EndRound() ABSL_LOCKS_EXCLUDED(mutex_);
  void NextBatchIn(int64_t delay_ms) ABSL_LOCKS_EXCLUDED(mutex_);
  // Gathers what was not read ahead, and goes on from there.
  void GatherRest(std::vector<TimerKey> due, std::vector<ReadAhead::Content> held);
  // They are claimed, and could not be read or logged: others go on, and they wait for TakeUpLater.
  void SetAside(const std::vector<TimerKey>& timers);
  // Takes what was set aside again after a while.
  void TakeUpLater();
  // The store has not taken this batch; returns as Fire.
  int64_t NotTaken(const std::vector<TimerKey>& timers, const absl::Status& why)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // How many bytes of messages go into a batch.
  uint64_t BatchBytes() const;
  // Claims and submits those timers of `due` that there are contents of, and puts the others back;
  // returns after how many milliseconds to go on.
  int64_t Fire(const std::vector<TimerKey>& due, const Contents& contents)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds the copy of one due message. Not OK: it cannot be read now.
  absl::Status AddCopy(const TimerKey& timer, const absl::StatusOr<std::string>& bytes,
                       FiredAppend& append) const;

  const Environment environment_;
  ReadAhead ahead_;
  Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  // A batch is on its way, or waits for its turn; its end looks at what was added meanwhile.
  std::atomic<bool> in_round_{false};
  std::atomic<bool> taking_up_{false};  // a timer is set for it
  std::atomic<size_t> batch_timers_;    // at most in one batch
  int64_t armed_for_ ABSL_GUARDED_BY(mutex_);
  TimerQueue::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_FIRING_H_
