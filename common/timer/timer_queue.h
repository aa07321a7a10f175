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
// Instants are milliseconds of whatever `now_millis` counts, broker time for example.
//
// In production one thread of the queue's own runs what is due (Start, Stop); tests set a fake
// clock and call RunDue themselves. Setting and cancelling cost O(log n). Thread safe.
class TimerQueue {
 public:
  using Id = uint64_t;  // never 0, never used twice
  using Callback = std::function<void()>;

  // `now_millis` must be thread safe and never go back.
  explicit TimerQueue(std::function<int64_t()> now_millis) : now_millis_(std::move(now_millis)) {}
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

  // The same, so long after now.
  Id ScheduleAfter(int64_t delay_millis, Callback callback) {
    return Schedule(now_millis_() + delay_millis, std::move(callback));
  }

  // Prevents the callback from running. False when it has run, is running, or was cancelled before.
  bool Cancel(Id id);

  // Runs on the calling thread what is due by now, also what callbacks set meanwhile for an instant
  // that has passed; returns how many ran. For tests and for owners without Start.
  size_t RunDue();

  // The earliest instant that waits, if there is one.
  std::optional<int64_t> NextDue() const;

  // How many timers wait.
  size_t size() const;

 private:
  using Key = std::pair<int64_t, Id>;  // by due time, then by age

  void Run();
  Callback TakeDue(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::function<int64_t()> now_millis_;
  mutable Mutex mutex_;
  CondVar changed_;
  absl::btree_map<Key, Callback> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<Id, int64_t> due_of_ ABSL_GUARDED_BY(mutex_);
  Id last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  // What the thread sleeps towards; only an earlier timer has to wake it.
  int64_t sleeping_until_ ABSL_GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::min();
  std::thread thread_;
};

}  // namespace mansio

#endif  // MANSIO_COMMON_TIMER_TIMER_QUEUE_H_
