#include "broker/move/append_budget.h"

#include <algorithm>

namespace mansio::broker {

AppendBudget::AppendBudget(uint64_t bytes_per_second, const Clock* clock)
    : clock_(clock),
      rate_(static_cast<int64_t>(bytes_per_second)),
      filled_ms_(absl::ToInt64Milliseconds(clock->BootNow())),
      level_(rate_ * kBurstMs) {}

int64_t AppendBudget::Take(uint64_t bytes, size_t messages) {
  const int64_t now = absl::ToInt64Milliseconds(clock_->BootNow());
  MutexLock lock(&mutex_);
  // More than a bucket's worth of time is not multiplied: a jump of years must not overflow.
  const int64_t full = rate_ * kBurstMs;
  const int64_t missing_ms = (full - level_ + rate_ - 1) / rate_;
  level_ = std::min(full, level_ + rate_ * std::clamp<int64_t>(now - filled_ms_, 0, missing_ms));
  filled_ms_ = std::max(filled_ms_, now);
  if (level_ <= 0) return -level_ / rate_ + 1;
  level_ -= static_cast<int64_t>(bytes + messages * kMessageCost) * 1000;
  return 0;
}

void AppendBudget::Charge(uint64_t bytes) {
  MutexLock lock(&mutex_);
  level_ -= static_cast<int64_t>(bytes) * 1000;
}

void AppendBudget::SetRate(uint64_t bytes_per_second) {
  MutexLock lock(&mutex_);
  rate_ = static_cast<int64_t>(bytes_per_second);
}

}  // namespace mansio::broker
