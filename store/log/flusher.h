#ifndef MANSIO_STORE_LOG_FLUSHER_H_
#define MANSIO_STORE_LOG_FLUSHER_H_

#include <memory>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/files/file_system.h"
#include "common/sync/sync.h"
#include "store/log/log_state.h"
#include "store/stats.h"
#include "store/types.h"

namespace mansio::store {

// The flush of durability `async`: a thread that fdatasyncs what was written, every interval, so
// that the log thread never waits for the disk. Thread-safe.
class Flusher {
 public:
  // `stats` may be null.
  Flusher(LogState* state, absl::Duration interval, StoreStats* stats);
  ~Flusher();

  void Start();
  void Stop();  // without a last flush; idempotent

  // The log thread writes [first, …) through `file` from now on.
  void AddFile(LogOffset first, std::shared_ptr<File> file);
  // Flushes everything appended before the call, on the caller's thread. A failure stops the log.
  absl::Status FlushNow();
  // Runs `change` while nothing is flushed, and forgets all files: the log was cut.
  void Restart(absl::FunctionRef<void()> change);

 private:
  struct Dirty {
    LogOffset first = 0;
    std::shared_ptr<File> file;
  };

  void Run();
  std::vector<Dirty> Files();
  void ForgetBelow(LogOffset synced);

  LogState* const state_;
  const absl::Duration interval_;
  StoreStats* const stats_;
  Mutex flushing_;  // one flush at a time: an error is reported to one of them only
  Mutex mutex_;
  CondVar stop_;
  std::vector<Dirty> files_ ABSL_GUARDED_BY(mutex_);  // ascending; the last is the active one
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_FLUSHER_H_
