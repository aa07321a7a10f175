#ifndef MANSIO_STORE_LOG_SEGMENT_PREPARER_H_
#define MANSIO_STORE_LOG_SEGMENT_PREPARER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"
#include "common/sync/sync.h"
#include "store/log/segment.h"
#include "store/log/segment_set.h"
#include "store/types.h"

namespace mansio::store {

// A thread that keeps file system work away from the log thread: it makes the next segment before
// the active one is full and, for durabilities that flush each batch, writes zeros ahead of the
// tail. A flush that turns reserved blocks into written ones also commits the file system's journal
// and takes twice as long; after the zeros it has been done already.
class SegmentPreparer {
 public:
  struct Options {
    uint64_t segment_bytes = 0;
    bool zero_ahead = false;
  };
  // `failed` is called from the thread when a write or flush of zeros failed: the log must stop
  // then, because a failed flush may have dropped its pages too.
  SegmentPreparer(SegmentSet* segments, Options options,
                  std::function<void(const absl::Status&)> failed);
  ~SegmentPreparer();

  // Begins with the log's tail at `tail` in `active`.
  void Start(std::shared_ptr<const Segment> active, LogOffset tail);
  void Stop();  // idempotent

  // The log thread will write up to `end` in the active segment: returns when no zeros are on their
  // way to a place below it, and none will be.
  void Reserve(LogOffset end);
  // Waits until the segment that begins at `first` is there. An error (a full disk) comes at once,
  // and again with each call until a retry has succeeded.
  absl::Status WaitForNext(LogOffset first);
  // The log thread goes on in `active`, at its beginning.
  void Rolled(std::shared_ptr<const Segment> active);

  // True while the next segment cannot be made. Any thread.
  bool stuck() const { return stuck_.load(std::memory_order_acquire); }
  // Why, or OK.
  absl::Status problem() const;
  // Space may have been freed: retry now.
  void Retry();

 private:
  void Run();
  bool NextIsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool ZerosAreDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PrepareNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteZeros() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Segment> MakeSegment(LogOffset first);
  absl::Status ZeroStep(const Segment& segment, LogOffset begin, LogOffset end);

  SegmentSet* const segments_;
  const Options options_;
  const uint64_t ahead_;  // how far the zeros should be ahead of the tail
  const std::function<void(const absl::Status&)> failed_;

  mutable Mutex mutex_;
  CondVar work_;  // for the thread
  CondVar done_;  // for the log thread
  std::shared_ptr<const Segment> active_ ABSL_GUARDED_BY(mutex_);
  LogOffset reserved_ ABSL_GUARDED_BY(mutex_) = 0;  // the log may have written below
  LogOffset zeroed_ ABSL_GUARDED_BY(mutex_) = 0;    // written at least once below
  LogOffset zeroing_end_ ABSL_GUARDED_BY(mutex_) =
      0;  // of the step under way from zeroed_, 0 for none
  bool next_wanted_ ABSL_GUARDED_BY(mutex_) = false;  // the log thread waits for it
  bool retry_ ABSL_GUARDED_BY(mutex_) = true;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // zeros failed; no more of them
  absl::Status problem_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> stuck_{false};

  std::unique_ptr<File> zero_file_;  // the preparer's own, so that it sees flush errors of its own
  LogOffset zero_file_first_ = 0;
  std::string zeros_;
  std::thread thread_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_SEGMENT_PREPARER_H_
