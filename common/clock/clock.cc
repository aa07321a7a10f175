#include "common/clock/clock.h"

#include <time.h>

#include "absl/time/clock.h"

namespace mansio {

absl::Time RealClock::WallNow() const { return absl::Now(); }

absl::Duration RealClock::BootNow() const {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

absl::Time FakeClock::WallNow() const {
  MutexLock lock(&mutex_);
  return wall_;
}

absl::Duration FakeClock::BootNow() const {
  MutexLock lock(&mutex_);
  return boot_;
}

void FakeClock::Advance(absl::Duration duration) {
  MutexLock lock(&mutex_);
  wall_ += duration;
  boot_ += duration;
}

void FakeClock::SetWall(absl::Time wall) {
  MutexLock lock(&mutex_);
  wall_ = wall;
}

}  // namespace mansio
