#ifndef MANSIO_STORE_RETENTION_SNAPSHOT_H_
#define MANSIO_STORE_RETENTION_SNAPSHOT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

class CommitLog;
class DerivedState;

// The whole derived state as it was at one point of the log, written into the log itself: a begin
// mark, one record per pair, an end mark, with other traffic between them. With it the log needs no
// records from before that point (design section 5).
//
//   begin, end body := captured offset:u64 captured epoch:u64 pairs:u64 (begin: 0)
//   entry body      := key length:u32 key value
struct SnapshotMark {
  LogPosition captured;
  uint64_t pairs = 0;
};

std::string EncodeSnapshotMark(const SnapshotMark& mark);
absl::StatusOr<SnapshotMark> DecodeSnapshotMark(std::string_view body);
std::string EncodeSnapshotEntry(std::string_view key, std::string_view value);
absl::StatusOr<std::pair<std::string_view, std::string_view>> DecodeSnapshotEntry(
    std::string_view body);

// Captures the state on the log thread and appends it in pieces of about `piece_bytes`, each after
// the one before is applied. Returns when the end mark is applied and synced, with the offset of
// the capture. Blocks; not on the log thread.
absl::StatusOr<LogOffset> WriteSnapshot(CommitLog* log, const DerivedState* state,
                                        size_t piece_bytes);

// Finds the first complete snapshot in a log that begins at `first` and whose records are shown to
// it in order. One that was captured before the log's beginning is of no use, even if all of it is
// there: records between its capture and its begin mark are gone.
class SnapshotFinder {
 public:
  explicit SnapshotFinder(LogOffset first) : first_(first) {}

  absl::Status See(const RecordView& record);
  bool complete() const { return complete_; }
  // Of the complete one.
  LogOffset captured_at() const { return mark_->captured.offset; }
  LogOffset completed_at() const { return completed_at_; }  // of its end mark
  const std::vector<std::pair<std::string, std::string>>& pairs() const { return pairs_; }

 private:
  const LogOffset first_;
  bool complete_ = false;
  LogOffset completed_at_ = 0;
  std::optional<SnapshotMark> mark_;  // of the one that has begun
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_SNAPSHOT_H_
