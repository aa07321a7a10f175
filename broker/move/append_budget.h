#ifndef MANSIO_BROKER_MOVE_APPEND_BUDGET_H_
#define MANSIO_BROKER_MOVE_APPEND_BUDGET_H_

#include <cstddef>
#include <cstdint>

#include "common/clock/clock.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// What the broker may append on its own account, for all kinds of moves together (expired leases,
// fired timers, check-backs): a storm of them is spread, so that producers are not held up behind
// it (design section 8). A token bucket over the time that really passes: broker time may stand
// still for hours (design section 8), and what is overdue then must not. Thread-safe.
class AppendBudget {
 public:
  // What one moved message costs besides its bytes: the work of the log thread.
  static constexpr uint64_t kMessageCost = 1024;
  // The bucket holds what comes in during this time.
  static constexpr int64_t kBurstMs = 50;

  // `bytes_per_second` >= 1; `clock` is borrowed. Starts full.
  AppendBudget(uint64_t bytes_per_second, const Clock* clock);

  // Takes what an append of `bytes` with `messages` messages costs, and returns 0; or takes nothing
  // and returns after how many milliseconds (>= 1) to ask again. Anything is granted while the
  // bucket is not empty, so that no append is too large for it; what is too much then delays the
  // next.
  int64_t Take(uint64_t bytes, size_t messages);
  // Takes the cost in any case: of bytes that were not known when Take was asked.
  void Charge(uint64_t bytes);
  // Another rate from now on; >= 1.
  void SetRate(uint64_t bytes_per_second);

 private:
  const Clock* const clock_;
  Mutex mutex_;
  // Bytes a second, which is thousandths of bytes a millisecond.
  int64_t rate_ ABSL_GUARDED_BY(mutex_);
  int64_t filled_ms_ ABSL_GUARDED_BY(mutex_);  // boot time
  int64_t level_ ABSL_GUARDED_BY(mutex_);      // thousandths of bytes; negative: overdrawn
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MOVE_APPEND_BUDGET_H_
