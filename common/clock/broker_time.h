#ifndef MANSIO_COMMON_CLOCK_BROKER_TIME_H_
#define MANSIO_COMMON_CLOCK_BROKER_TIME_H_

// Broker time: what every due time, lease and store time is measured in (docs/design.md, time).
//
//  - It never goes back: not between calls, not between threads, not over a restart.
//  - It starts at max(wall clock, last store time in the log) and runs with CLOCK_BOOTTIME.
//  - It is slewed towards the wall clock by at most 0.5 %.
//  - A difference of more than 1 s is reported. It may be somebody's mistake, so it is followed
//    only after it has lasted 60 s: forward in one step, backward by standing still until they
//    agree.

#include <atomic>
#include <cstdint>
#include <functional>

#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/sync/sync.h"

namespace mansio {

class BrokerTime {
 public:
  // A change in how far the wall clock and broker time are apart.
  struct Report {
    enum class Action {
      kObserved,        // The difference has exceeded 1 s; broker time is only slewed.
      kSteppedForward,  // It lasted 60 s, and broker time has jumped to the wall clock.
      kStandsStill,     // It lasted 60 s, and broker time now waits for the wall clock.
      kAgreesAgain,     // It is 1 s or less again.
    };
    Action action = Action::kObserved;
    absl::Duration difference;  // Wall clock minus broker time when it was noticed.
  };
  using Reporter = std::function<void(const Report&)>;

  static constexpr double kMaxSlew = 0.005;
  static constexpr absl::Duration kReportedDifference = absl::Seconds(1);
  static constexpr absl::Duration kFollowAfter = absl::Seconds(60);
  // The wall clock is looked at this often at most, by whichever call comes first.
  static constexpr absl::Duration kCheckInterval = absl::Milliseconds(100);

  // `clock` must outlive this object. `last_store_time` is the greatest store time in the log
  // (absl::InfinitePast() if there is none). `reporter` may be empty; it is called from NowMillis
  // on the calling thread, without a lock held, and must not block.
  BrokerTime(const Clock* clock, absl::Time last_store_time, Reporter reporter = nullptr);
  BrokerTime(const BrokerTime&) = delete;
  BrokerTime& operator=(const BrokerTime&) = delete;

  // Broker time is at least `earliest` from now on: recovery has found a store time in the log that
  // lies ahead. Thread safe.
  void NeverBefore(absl::Time earliest);

  // Broker time in milliseconds since the Unix epoch. Thread safe; normally reads one clock and a
  // few atomics. Call it at least every few seconds, or the 60 s are noticed late.
  int64_t NowMillis();
  absl::Time Now() { return absl::FromUnixMillis(NowMillis()); }

  // Milliseconds since the machine started: for pauses, which pass also while broker time stands
  // still. Thread safe.
  int64_t PassedMillis() const;

  // Wall clock minus broker time, for a metric. Thread safe.
  absl::Duration Difference() const;

 private:
  // Broker time at boot time t is: anchor + (t - since) + the part of `correction` that `rate`
  // allows until then. All in nanoseconds; every field is written under `mutex_`.
  struct Course {
    int64_t since = 0;       // boot time
    int64_t anchor = 0;      // broker time at `since`
    int64_t correction = 0;  // what is still to be added, negative: to be left out
    double rate = kMaxSlew;  // share of the passing time that may go into the correction
    int64_t At(int64_t boot) const;
  };

  Course LoadCourse() const;
  void StoreCourse(const Course& course) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookAtWallClock(int64_t boot);
  // Decides the course from now on; returns whether `report` is to be handed to the reporter.
  bool SetCourse(int64_t boot, Report* report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  const Reporter reporter_;

  // The course under a sequence lock: readers retry when `sequence_` is odd or has changed.
  std::atomic<uint64_t> sequence_{0};
  std::atomic<int64_t> since_{0};
  std::atomic<int64_t> anchor_{0};
  std::atomic<int64_t> correction_{0};
  std::atomic<double> rate_{kMaxSlew};

  std::atomic<int64_t> next_check_{0};  // boot time, ns
  std::atomic<int64_t> latest_{0};      // greatest value returned, ms

  Mutex mutex_;
  bool apart_ ABSL_GUARDED_BY(mutex_) = false;       // more than 1 s, and reported
  bool followed_ ABSL_GUARDED_BY(mutex_) = false;    // standing still
  int64_t apart_since_ ABSL_GUARDED_BY(mutex_) = 0;  // boot time, ns
  int64_t apart_by_ ABSL_GUARDED_BY(mutex_) = 0;     // difference at that moment, ns
};

}  // namespace mansio

#endif  // MANSIO_COMMON_CLOCK_BROKER_TIME_H_
