#ifndef MANSIO_STORE_COLD_POOL_H_
#define MANSIO_STORE_COLD_POOL_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/sync/sync.h"

namespace mansio::store {

// A few threads for work that reads from disk, with a bounded queue, so that a consumer that
// catches up on old data cannot stall producers (design section 10). Thread-safe.
class ColdPool {
 public:
  ColdPool(int threads, size_t queue_limit);
  ~ColdPool();

  // False, and `job` is destroyed, when `queue_limit` jobs wait already or the pool has stopped.
  bool Run(absl::AnyInvocable<void()> job);
  // Jobs that wait for a thread.
  size_t waiting() const;
  // Finishes what was accepted and joins. Idempotent.
  void Stop();

 private:
  void Loop();

  const size_t queue_limit_;
  mutable Mutex mutex_;
  CondVar wake_;
  std::deque<absl::AnyInvocable<void()>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_COLD_POOL_H_
