#ifndef MANSIO_STORE_CHECKPOINT_CHECKPOINTER_H_
#define MANSIO_STORE_CHECKPOINT_CHECKPOINTER_H_

#include <atomic>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/sync/sync.h"
#include "store/checkpoint/checkpoint_meta.h"
#include "store/checkpoint/key_value_store.h"
#include "store/log/commit_log.h"
#include "store/stats.h"
#include "store/types.h"

namespace mansio::store {

// The state that checkpoints save. One capture is under way at a time.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  // On the log thread, between two batches: adds what changed since the last capture to `batch`, or
  // remembers what Complete must add, and returns what the state stands for. Memory only.
  virtual CheckpointMeta Capture(KeyValueBatch& batch) = 0;
  // Off the log thread, once the log is synced through the capture: adds the rest of it.
  virtual absl::Status Complete(KeyValueBatch& batch) = 0;
  // The checkpoint is durable, or it failed and what Complete would have added must come again with
  // the next one.
  virtual void Written(const CheckpointMeta& meta) = 0;
  virtual void Failed() = 0;
};

// Takes checkpoints in the one safe order: capture at A, sync the log through A, only then write
// (design section 5), so that a checkpoint stands for an offset <= min(applied, synced).
// Thread-safe.
class Checkpointer {
 public:
  struct Options {
    uint64_t bytes = 0;                         // due after this much log
    absl::Duration period = absl::Seconds(60);  // of looking for an idle log, and of `periodic`
    absl::AnyInvocable<void()> periodic;  // further work of the checkpoint thread; may be null
    StoreStats* stats = nullptr;          // or null
  };

  // All borrowed. `start`: the offset of the checkpoint that recovery began with.
  Checkpointer(CommitLog* log, KeyValueStore* store, CheckpointSource* source, LogOffset start,
               Options options);
  ~Checkpointer();

  // Starts and joins the checkpoint thread. Stop is idempotent and waits for a checkpoint under
  // way.
  void Start();
  void Stop();

  // Takes a checkpoint on the calling thread and returns when it is durable. Never on the log
  // thread.
  absl::Status Run();

  // The same when one is due: for work that keeps the checkpoint thread busy.
  absl::Status RunIfDue();

  // Has `periodic` done now, or as soon as the checkpoint thread can. Any thread.
  void WakePeriodic();

  // Another Options::period, also for the one that has begun. Any thread.
  void SetPeriod(absl::Duration period);

  // On the log thread: the log is applied up to here. `urgent` makes a checkpoint due at once.
  void Applied(LogOffset applied, bool urgent);

 private:
  void Loop();
  void SaveIfIdle();
  void Count(int64_t began, const absl::Status& taken) const;
  absl::Status Write(const CheckpointMeta& captured) ABSL_EXCLUSIVE_LOCKS_REQUIRED(run_mutex_);

  CommitLog* const log_;
  KeyValueStore* const store_;
  CheckpointSource* const source_;
  Options options_;

  // Held for the whole of a checkpoint.
  Mutex run_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  // What failed checkpoints captured; the state machine has already forgotten that it was dirty.
  KeyValueBatch captured_ ABSL_GUARDED_BY(run_mutex_);

  std::atomic<LogOffset> last_;  // offset of the last checkpoint
  std::atomic<bool> due_{false};
  std::atomic<bool> periodic_due_{false};

  Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration period_ ABSL_GUARDED_BY(mutex_);
  LogOffset seen_ = 0;  // applied at the last periodic look; the checkpoint thread's own
  std::thread thread_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_CHECKPOINTER_H_
