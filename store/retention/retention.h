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
#include "store/retention/retention_limits.h"
#include "store/store.h"

namespace mansio::store {

// Deletes the oldest segments of the log: those whose last message is older than the limit of age,
// and those by which the log is larger than that of bytes. Whole segments, oldest first, never the
// active one. Live messages are carried forward first. Thread-safe.
//
// Each trim appends something itself (a snapshot, carries). So that it does not keep itself going,
// size counts only when others have appended half a segment since the last trim began.
class Retention {
 public:
  // All borrowed; `stats` may be null. While `closing` is set, no more is carried.
  Retention(const StoreOptions* options, const RetentionLimits* limits, BrokerTime* time,
            CommitLog* log, DerivedState* state, Checkpointer* checkpointer,
            const std::atomic<bool>* closing, StoreStats* stats = nullptr);

  // Blocks, so never on the log thread. Cancelled when the store is closed meanwhile; the next
  // start goes on where it stopped.
  absl::Status Enforce();

  // Whether to Enforce because the log may have become too large. Any thread.
  bool SizeIsDue() const;
  // The limits are new ones: the next Enforce looks at the size, whatever was appended since. One
  // that is under way may have looked already, and is not that one. Any thread.
  void Reconsider() { ++limits_set_; }

 private:
  // Where the log should begin.
  LogOffset Target() const;
  absl::Status TrimTo(LogOffset offset);
  absl::Status AppendTrim(LogOffset offset, absl::Span<const QueueMinimum> minima);
  // Removes files below what the last TRIM record says, once a checkpoint has it.
  absl::Status RemoveTrimmed();

  const StoreOptions* const options_;
  const RetentionLimits* const limits_;
  const size_t piece_bytes_;
  BrokerTime* const time_;
  CommitLog* const log_;
  DerivedState* const state_;
  Checkpointer* const checkpointer_;
  const std::atomic<bool>* const closing_;
  StoreStats* const stats_;
  std::atomic<uint64_t> trimmed_at_{0};   // traffic when the last trim began
  std::atomic<uint64_t> limits_set_{1};   // how often
  std::atomic<uint64_t> limits_seen_{0};  // of these, by the last trim when it began
  Mutex mutex_;                           // held for the whole of Enforce
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_RETENTION_H_
