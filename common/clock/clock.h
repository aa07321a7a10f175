#ifndef MANSIO_COMMON_CLOCK_CLOCK_H_
#define MANSIO_COMMON_CLOCK_CLOCK_H_

// The two clocks of the machine behind one interface, so that tests choose the time.

#include "absl/time/time.h"
#include "common/sync/sync.h"

namespace mansio {

// Thread safe; cheap enough for each message.
class Clock {
 public:
  virtual ~Clock() = default;

  // The wall clock. It may jump in both directions.
  virtual absl::Time WallNow() const = 0;

  // Time since the machine started (CLOCK_BOOTTIME): never goes back, runs on during suspend.
  virtual absl::Duration BootNow() const = 0;
};

// The machine's clocks.
class RealClock final : public Clock {
 public:
  absl::Time WallNow() const override;
  absl::Duration BootNow() const override;
};

// Clocks that move only when told to.
class FakeClock final : public Clock {
 public:
  // Starts with the given wall clock and a boot time of 0.
  explicit FakeClock(absl::Time wall = absl::FromUnixSeconds(1'700'000'000)) : wall_(wall) {}

  absl::Time WallNow() const override;
  absl::Duration BootNow() const override;

  // Lets `duration` (not negative) pass on both clocks.
  void Advance(absl::Duration duration);

  // Lets the wall clock jump, in either direction; the boot time stays.
  void SetWall(absl::Time wall);

 private:
  mutable Mutex mutex_;
  absl::Time wall_ ABSL_GUARDED_BY(mutex_);
  absl::Duration boot_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
};

}  // namespace mansio

#endif  // MANSIO_COMMON_CLOCK_CLOCK_H_
