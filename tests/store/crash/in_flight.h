#ifndef MANSIO_TESTS_STORE_CRASH_IN_FLIGHT_H_
#define MANSIO_TESTS_STORE_CRASH_IN_FLIGHT_H_

#include "common/sync/sync.h"

namespace mansio::store {

// Counts what is under way: appends, calls. Thread-safe.
class InFlight {
 public:
  void Enter() {
    const MutexLock lock(&mutex_);
    ++count_;
  }
  void Leave() {
    const MutexLock lock(&mutex_);
    --count_;
    changed_.SignalAll();
  }
  int count() const {
    const MutexLock lock(&mutex_);
    return count_;
  }
  void WaitUntilAtMost(int limit) {
    const MutexLock lock(&mutex_);
    while (count_ > limit) changed_.Wait(&mutex_);
  }

 private:
  mutable Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_IN_FLIGHT_H_
