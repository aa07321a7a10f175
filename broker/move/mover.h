#ifndef MANSIO_BROKER_MOVE_MOVER_H_
#define MANSIO_BROKER_MOVE_MOVER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"
#include "store/store.h"

namespace mansio::broker {

// A message that is to be moved.
struct MoveSource {
  store::QueueKey queue;
  store::QueueOffset offset = 0;
  store::QueueEntry entry;  // size 0: not known, the mover looks it up
};

// Gathers the bytes of messages that move to another queue: an expired lease's to %RETRY%, a due
// timer's or a committed half's to its topic (design section 8). What is in the tail cache comes
// from there, the rest through the cold pool in the order of the log; where it stands is looked up
// there, too, neighbours together.
//
// A move is: Gather; then, in the callback, claim the entries that are still to be moved, take the
// append from the AppendBudget, and submit one atomic frame with the end of the old entry and the
// copy (ContentCopy, broker/message). Nothing is claimed while bytes are read.
//
// Thread-safe. Must outlive the store it is attached to, and the timers.
class Mover {
 public:
  struct Limits {
    uint64_t bytes_in_flight = 16u << 20;  // of all gathers under way; one is always let through
  };
  // One result for each source, in their order. NotFound when the message is gone, DataLoss when
  // its bytes in the log are damaged, Cancelled when the mover was stopped; anything else may pass.
  // The bytes count as in flight until the callback has returned. It may run before Gather returns,
  // or on any thread that gathers, or on the cold pool; it may call Gather.
  using Done = absl::AnyInvocable<void(std::vector<absl::StatusOr<store::StoredMessage>> messages)>;

  Mover(Limits limits, TimerQueue* timers);  // borrowed

  // Before the first Gather.
  void Attach(store::Store* store) { store_ = store; }

  // Reads the sources, after the gathers that wait already, and calls `done` exactly once. The
  // caller holds no lock that `done` takes.
  void Gather(std::vector<MoveSource> sources, Done done);
  // The same of the first sources only, at least one, whose records have at most `max_bytes`
  // together: so many results come.
  void GatherSome(std::vector<MoveSource> sources, uint64_t max_bytes, Done done);

  // What waits, and every later Gather, is answered with Cancelled; what is being read is finished.
  // Before the store is closed.
  void Stop();

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;

  void LookUpHot(Job& job) const;
  bool ReadHot(Job& job) const;
  void LookUpCold(Job& job) const;
  // Looks up sources `first` to `end` of `unknown`, indices of neighbours in one queue.
  void LookUpRun(Job& job, const std::vector<size_t>& unknown, size_t first, size_t end) const;
  absl::Status LookUpOne(MoveSource& source) const;
  // Drops what would be too much, once all sizes are known.
  void Cut(Job& job) ABSL_LOCKS_EXCLUDED(mutex_);
  void ReadCold(Job& job);
  absl::StatusOr<store::StoredMessage> ReadOne(MoveSource& source) const;
  // Begins what waits and fits. Only one thread at a time does, so that a callback that gathers
  // again does not nest.
  void RunWaiting() ABSL_LOCKS_EXCLUDED(mutex_);
  JobPtr TakeNext() ABSL_LOCKS_EXCLUDED(mutex_);
  bool StartCold(const JobPtr& job);
  // The cold pool is full: later.
  void Postpone(JobPtr job) ABSL_LOCKS_EXCLUDED(mutex_);
  void Finish(Job& job) ABSL_LOCKS_EXCLUDED(mutex_);
  static void Cancel(Job& job);

  const Limits limits_;
  TimerQueue* const timers_;
  store::Store* store_ = nullptr;

  Mutex mutex_;
  std::deque<JobPtr> waiting_ ABSL_GUARDED_BY(mutex_);
  uint64_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  // The cold pool was full: what waits is begun again by the one timer that is set for it.
  bool retry_scheduled_ ABSL_GUARDED_BY(mutex_) = false;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;  // a thread is in RunWaiting
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MOVE_MOVER_H_
