#include "common/clock/broker_time.h"

#include <algorithm>
#include <cstdlib>

namespace mansio {
namespace {

constexpr int64_t kNanosPerMilli = 1'000'000;

int64_t BootNanos(const Clock& clock) { return absl::ToInt64Nanoseconds(clock.BootNow()); }

}  // namespace

int64_t BrokerTime::Course::At(int64_t boot) const {
  const int64_t passed = std::max<int64_t>(0, boot - since);
  const auto allowed = static_cast<int64_t>(static_cast<double>(passed) * rate);
  return anchor + passed + std::clamp(correction, -allowed, allowed);
}

BrokerTime::BrokerTime(const Clock* clock, absl::Time last_store_time, Reporter reporter)
    : clock_(clock), reporter_(std::move(reporter)) {
  MutexLock lock(&mutex_);
  Course course;
  course.since = BootNanos(*clock_);
  course.anchor = absl::ToUnixNanos(std::max(clock_->WallNow(), last_store_time));
  StoreCourse(course);
  // So that a wall clock far behind the log is noticed by the first call.
  next_check_.store(course.since, std::memory_order_relaxed);
}

void BrokerTime::NeverBefore(absl::Time earliest) {
  MutexLock lock(&mutex_);
  Course course = LoadCourse();
  const int64_t boot = BootNanos(*clock_);
  if (course.At(boot) >= absl::ToUnixNanos(earliest)) return;
  course.since = boot;
  course.anchor = absl::ToUnixNanos(earliest);
  course.correction = 0;
  StoreCourse(course);
  next_check_.store(boot, std::memory_order_relaxed);
}

int64_t BrokerTime::NowMillis() {
  const int64_t boot = BootNanos(*clock_);
  if (boot >= next_check_.load(std::memory_order_relaxed)) LookAtWallClock(boot);
  // A thread that computed with the course before the present one, or was held up in between, must
  // not return less than another thread already has.
  const int64_t now = LoadCourse().At(boot) / kNanosPerMilli;
  int64_t latest = latest_.load(std::memory_order_relaxed);
  while (now > latest) {
    if (latest_.compare_exchange_weak(latest, now, std::memory_order_relaxed)) return now;
  }
  return latest;
}

int64_t BrokerTime::PassedMillis() const { return BootNanos(*clock_) / kNanosPerMilli; }

absl::Duration BrokerTime::Difference() const {
  const int64_t broker = LoadCourse().At(BootNanos(*clock_));
  return clock_->WallNow() - absl::FromUnixNanos(broker);
}

void BrokerTime::LookAtWallClock(int64_t boot) {
  Report report;
  bool reported = false;
  if (!mutex_.TryLock()) return;  // Another thread is at it.
  if (boot >= next_check_.load(std::memory_order_relaxed)) {
    next_check_.store(boot + absl::ToInt64Nanoseconds(kCheckInterval), std::memory_order_relaxed);
    reported = SetCourse(boot, &report);
  }
  mutex_.Unlock();
  if (reported && reporter_) reporter_(report);
}

bool BrokerTime::SetCourse(int64_t boot, Report* report) {
  Course course = LoadCourse();
  course.anchor = course.At(boot);
  course.since = std::max(course.since, boot);
  course.rate = kMaxSlew;
  course.correction = absl::ToUnixNanos(clock_->WallNow()) - course.anchor;

  const int64_t difference = course.correction;
  const int64_t limit = absl::ToInt64Nanoseconds(kReportedDifference);
  report->difference = absl::Nanoseconds(difference);
  bool reported = false;
  if (followed_ && difference < 0) {
    course.rate = 1;  // Goes on standing still, also for the last second.
  } else if (std::abs(difference) <= limit) {
    reported = apart_;
    report->action = Report::Action::kAgreesAgain;
    apart_ = followed_ = false;
  } else if (!apart_ || std::abs(difference - apart_by_) > limit) {
    // New, or the wall clock has jumped once more: what it shows now must last on its own.
    reported = true;
    report->action = Report::Action::kObserved;
    apart_ = true;
    followed_ = false;
    apart_since_ = boot;
    apart_by_ = difference;
  } else if (boot - apart_since_ >= absl::ToInt64Nanoseconds(kFollowAfter)) {
    reported = true;
    if (difference > 0) {
      report->action = Report::Action::kSteppedForward;
      course.anchor += difference;
      course.correction = 0;
      apart_ = false;
    } else {
      report->action = Report::Action::kStandsStill;
      course.rate = 1;
      followed_ = true;
    }
  }
  StoreCourse(course);
  return reported;
}

// The sequence lock needs no fences: whoever reads a field of a new course also sees the odd
// sequence number that was stored before it.
BrokerTime::Course BrokerTime::LoadCourse() const {
  while (true) {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
    Course course;
    course.since = since_.load(std::memory_order_acquire);
    course.anchor = anchor_.load(std::memory_order_acquire);
    course.correction = correction_.load(std::memory_order_acquire);
    course.rate = rate_.load(std::memory_order_acquire);
    const uint64_t after = sequence_.load(std::memory_order_relaxed);
    if (before == after && before % 2 == 0) return course;
  }
}

void BrokerTime::StoreCourse(const Course& course) {
  const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
  sequence_.store(sequence + 1, std::memory_order_relaxed);
  since_.store(course.since, std::memory_order_release);
  anchor_.store(course.anchor, std::memory_order_release);
  correction_.store(course.correction, std::memory_order_release);
  rate_.store(course.rate, std::memory_order_release);
  sequence_.store(sequence + 2, std::memory_order_release);
}

}  // namespace mansio
