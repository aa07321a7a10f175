#ifndef MANSIO_NAMESERVER_WORKER_POOL_H_
#define MANSIO_NAMESERVER_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <thread>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/sync/sync.h"

namespace mansio::nameserver {

// A few threads for work that waits for others: commands that are passed on to brokers.
// Thread-safe.
class WorkerPool {
 public:
  // `max_waiting` bounds what has been submitted and not yet begun.
  WorkerPool(size_t threads, size_t max_waiting);
  ~WorkerPool();

  // Runs `work` on one of the threads, in order of submission; false (and `work` is dropped) when
  // too much is waiting or after Stop.
  bool Submit(absl::AnyInvocable<void()> work);
  // Ends the threads after everything submitted has run. Idempotent.
  void Stop();

 private:
  void Run();

  const size_t max_waiting_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<absl::AnyInvocable<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_WORKER_POOL_H_
