#include "client/bench/arrivals.h"

#include <random>

#include "absl/time/clock.h"
#include "client/bench/load.h"

namespace mansio::bench {
namespace {

constexpr int kSequenceBits = 40;  // the bits above tell this run's messages from others'
constexpr uint64_t kSequenceMask = (uint64_t{1} << kSequenceBits) - 1;
constexpr absl::Duration kPatience = absl::Seconds(30);  // for the last messages to arrive

}  // namespace

Arrivals::Arrivals(absl::Duration warmup)
    : run_(std::random_device()() & 0xFFFFFF), warmup_(absl::ToInt64Nanoseconds(warmup)) {}

uint64_t Arrivals::first_sequence() const { return run_ << kSequenceBits; }

void Arrivals::Expect(uint64_t first, int count, int64_t intended) {
  MutexLock lock(&mutex_);
  if (messages_.empty()) measure_from_ = intended + warmup_;
  const size_t begin = first & kSequenceMask;
  const size_t end = begin + static_cast<size_t>(count);
  if (messages_.size() < end) messages_.resize(2 * end);
  for (size_t i = begin; i < end; ++i) messages_[i].intended = intended;
}

void Arrivals::Arrived(uint64_t sequence) {
  const int64_t now = NowNanos();
  if (sequence >> kSequenceBits != run_) return;
  MutexLock lock(&mutex_);
  if ((sequence & kSequenceMask) >= messages_.size()) return;
  Entry& entry = messages_[sequence & kSequenceMask];
  if (entry.intended == 0) return;  // nobody waits for it
  if (entry.arrived) {
    ++counts_.duplicates;
    return;
  }
  entry.arrived = true;
  ++counts_.received;
  if (now < entry.intended) ++counts_.early;
  if (entry.intended >= measure_from_) counts_.latency.Record(now - entry.intended);
  changed_.SignalAll();
}

void Arrivals::WaitFor(int64_t messages) const {
  const absl::Time deadline = absl::Now() + kPatience;
  MutexLock lock(&mutex_);
  while (counts_.received < messages) {
    if (changed_.WaitUntil(&mutex_, deadline)) return;
  }
}

ArrivalCounts Arrivals::counts() const {
  MutexLock lock(&mutex_);
  return counts_;
}

}  // namespace mansio::bench
