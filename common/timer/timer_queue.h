#ifndef MANSIO_COMMON_TIMER_TIMER_QUEUE_H_
#define MANSIO_COMMON_TIMER_TIMER_QUEUE_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "common/sync/sync.h"

namespace mansio {

// Calls functions at given instants: the ends of parked receives, keep-alives, periodic work.
// Instants are milliseconds of whatever `now_millis` counts, broker time for example. Pauses may be
// measured by another clock, which also runs while that one stands still.
//
// In production one thread of the queue's own runs what is due (Start, Stop); tests set a fake
// clock and call RunDue themselves. Setting and cancelling cost O(log n). Thread safe.
class TimerQueue {
 public:
  using Id = uint64_t;  // never 0, never used twice
  using Callback = std::function<void()>;

  // Both must be thread safe and never go back. Without `passed_millis` pauses are measured by
  // `now_millis`, too.
  explicit TimerQueue(std::function<int64_t()> now_millis,
                      std::function<int64_t()> passed_millis = nullptr);
  ~TimerQueue() { Stop(); }
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  // Starts the thread. Call once, before or after timers are set.
  void Start();

  // Ends the thread after the callbacks that are due by now; the others never run.
  // Must not be called from a callback.
  void Stop();

  // Runs `callback` once, at or as soon as possible after `due_millis` (at once if that is past),
  // on the queue's thread, without a lock held. Callbacks run one at a time, by due time, equal
  // ones in the order they were set; a slow one delays the rest.
  Id Schedule(int64_t due_millis, Callback callback);

  // The same after a pause. Callbacks of pauses and of instants have no order among each other.
  Id ScheduleAfter(int64_t delay_millis, Callback callback);

  // Prevents the callback from running. False when it has run, is running, or was cancelled before.
  bool Cancel(Id id);

  // Runs on the calling thread what is due by now, also what callbacks set meanwhile for an instant
  // that has passed; returns how many ran. For tests and for owners without Start.
  size_t RunDue();

  // The earliest instant that waits, if there is one; nothing about pauses by another clock.
  std::optional<int64_t> NextDue() const;

  // How many timers wait.
  size_t size() const;

 private:
  using Key = std::pair<int64_t, Id>;  // by due time, then by age

  // What waits by one clock.
  struct Line {
    absl::btree_map<Key, Callback> waiting;
    // What the thread sleeps towards; only an earlier timer has to wake it.
    int64_t sleeping_until = std::numeric_limits<int64_t>::min();
  };
  struct Place {
    size_t line;
    int64_t due;
  };
  static constexpr size_t kInstants = 0;
  static constexpr size_t kPauses = 1;

  void Run();
  Id Add(size_t line, int64_t due, Callback callback) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of the line with that time.
  Callback TakeDue(size_t line, int64_t now) ABSL_LOCKS_EXCLUDED(mutex_);
  // Sleeps until something may be due; false: stop.
  bool Sleep() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::function<int64_t()> now_millis_;
  const std::function<int64_t()> passed_millis_;  // empty: pauses are instants
  mutable Mutex mutex_;
  CondVar changed_;
  Line lines_[2] ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Id, Place> place_of_ ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mansio

#endif  // MANSIO_COMMON_TIMER_TIMER_QUEUE_H_
