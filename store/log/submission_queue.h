#ifndef MANSIO_STORE_LOG_SUBMISSION_QUEUE_H_
#define MANSIO_STORE_LOG_SUBMISSION_QUEUE_H_

#include <memory>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/sync/burst.h"
#include "common/sync/sync.h"
#include "store/append.h"

namespace mansio::store {

// From many threads to the log thread. The lock is held for a push or a swap only, and the log
// thread is woken only when it sleeps: while it writes one batch, the next one gathers here. A
// thread that handles a burst of events wakes it at the end of the burst.
class SubmissionQueue final : private BurstWork {
 public:
  using Job = absl::AnyInvocable<void()>;
  struct Content {
    std::vector<std::unique_ptr<Append>> appends;  // in order of submission
    std::vector<Job> jobs;
  };

  // False once closed; then nothing is taken over. Any thread.
  bool Push(std::unique_ptr<Append>& append);
  bool PushJob(Job& job);

  // Swaps all that is queued into `content`, which must be empty, and waits until there is
  // something. False when the queue is closed and empty. Log thread only.
  bool Take(Content& content);
  // What is queued now, without waiting.
  Content TakeQueued();

  // Nothing is accepted from now on; what was accepted is still taken.
  void Close();

 private:
  void EndBurst() override;
  void Pushed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeIfAsleep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  CondVar pushed_;
  Content content_ ABSL_GUARDED_BY(mutex_);
  bool asleep_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_SUBMISSION_QUEUE_H_
