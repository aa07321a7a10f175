#ifndef MANSIO_STORE_RETENTION_RETENTION_H_
#define MANSIO_STORE_RETENTION_RETENTION_H_

#include <atomic>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/sync/sync.h"
#include "store/checkpoint/checkpointer.h"
#include "store/derived_state.h"
#include "store/log/commit_log.h"
#include "store/options.h"
#include "store/store.h"

namespace mansio::store {

// Deletes the oldest segments of the log: those whose last message is older than retention_age, and
// those by which the log is larger than retention_bytes. Whole segments, oldest first, never the
// active one. Thread-safe; blocks, so never on the log thread.
class Retention {
 public:
  // All borrowed.
  Retention(const StoreOptions* options, BrokerTime* time, CommitLog* log, DerivedState* state,
            Checkpointer* checkpointer);

  absl::Status Enforce();

  // On the log thread: a segment that ends at `next` is full. Whether to Enforce, because the log
  // may have become too large. Not when it was filled by retention itself, whose snapshots and
  // carries would keep it going.
  bool SegmentEnded(LogOffset next) const;

 private:
  // Where the log should begin.
  LogOffset Target() const;
  absl::Status TrimTo(LogOffset offset);
  absl::Status AppendTrim(LogOffset offset, absl::Span<const QueueMinimum> minima);
  // Removes files below what the last TRIM record says, once a checkpoint has it.
  absl::Status RemoveTrimmed();

  const StoreOptions* const options_;
  const size_t piece_bytes_;
  BrokerTime* const time_;
  CommitLog* const log_;
  DerivedState* const state_;
  Checkpointer* const checkpointer_;
  std::atomic<bool> trimming_{false};
  std::atomic<LogOffset> trimmed_at_{0};  // the log's end behind the last trim
  Mutex mutex_;                           // held for the whole of Enforce
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_RETENTION_H_
