#ifndef MANSIO_STORE_LOG_LOG_STATE_H_
#define MANSIO_STORE_LOG_LOG_STATE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/metrics/histogram.h"
#include "common/sync/sync.h"
#include "store/log/epoch_history.h"
#include "store/types.h"

namespace mansio::store {

// What the log's threads and its callers share: the cursors, and whether the log has failed.
// Thread-safe.
class LogState {
 public:
  // `when_failed` is called once, when the log has failed, on the thread that says so.
  explicit LogState(std::function<void()> when_failed) : when_failed_(std::move(when_failed)) {}

  // Cursors only grow, but for a truncation; each is written by one thread at a time.
  std::atomic<LogOffset> appended{0};
  std::atomic<LogOffset> committed{0};
  std::atomic<LogOffset> applied{0};
  std::atomic<LogOffset> checkpointed{0};
  // Accepted bytes that are not committed.
  std::atomic<uint64_t> uncommitted{0};

  // Signs of life of the log thread: it begins a piece of work, which may wait for the disk; it has
  // no more to do.
  void Working() { working_since_.store(metrics::NowNanos(), std::memory_order_relaxed); }
  void Idle() { working_since_.store(0, std::memory_order_relaxed); }
  // For how long it has been at the present piece; zero when it is idle.
  absl::Duration AtWorkFor() const;

  LogOffset synced() const { return synced_.load(); }
  // Moves `synced` up to `offset` and wakes those that wait for it.
  void SetSynced(LogOffset offset);
  // Waits until `synced` has reached `offset`, or the log has failed or stopped: then the reason.
  absl::Status WaitSynced(LogOffset offset);

  // The reigns of all that is appended.
  EpochHistory epochs() const;
  void SetEpochs(EpochHistory epochs);
  void NoteEpoch(const EpochStart& start);

  // The first call of the two decides the sentence; the log accepts nothing from then on.
  void Fail(const absl::Status& cause);
  // On purpose, as what is to be done needs the log opened again: nothing is wrong. `why`:
  // FailedPrecondition, which `failure` then is.
  void StopToReopen(absl::Status why);
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  // OK, or why the log has failed: Unavailable, but for StopToReopen.
  absl::Status failure() const;

 private:
  // False: it has stopped before.
  bool Stop(absl::Status why);

  const std::function<void()> when_failed_;
  std::atomic<LogOffset> synced_{0};
  std::atomic<int> waiters_{0};
  std::atomic<int64_t> working_since_{0};
  std::atomic<bool> failed_{false};
  mutable Mutex mutex_;
  CondVar changed_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  EpochHistory epochs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_LOG_STATE_H_
