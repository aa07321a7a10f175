#ifndef MANSIO_STORE_LOG_REPLICA_FILE_H_
#define MANSIO_STORE_LOG_REPLICA_FILE_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/log/segment_set.h"
#include "store/types.h"

namespace mansio::store {

// A truncation that has been decided. It is on disk before the log is touched, so that the next
// start finishes what a crash interrupted.
struct Truncation {
  LogOffset to = 0;
  LogOffset written_end = 0;  // nothing was written behind it
};

// The whole log is replaced by its master's, which begins behind it. Each phase is on disk before
// what it stands for is done, so that a start goes on where a crash interrupted.
struct Refill {
  enum class Phase {
    kOrdered,    // the log as it was is whole
    kMoveAside,  // it is being kept aside
    kDrop,       // a copy that cannot be completed any more is being removed
    kCopy,       // an empty log begins at `from` and is filled
    kRebuild,    // it is complete; what was derived from the former one has to go
  };
  LogOffset from = 0;  // where the master's log begins
  Phase phase = Phase::kOrdered;
};

// What the file REPLICA beside the segments says; a log that was never a slave's has none.
//
//   foreign <offset>              frames from there on were written by another broker first: their
//                                 `synced` speaks of its disk
//   truncate <offset> <end>       see Truncation
//   refill <offset> <phase>       see Refill; phases: order, move, drop, copy, rebuild
struct ReplicaMarks {
  std::optional<LogOffset> foreign_from;
  std::optional<Truncation> truncation;
  std::optional<Refill> refill;
};

// DataLoss for a file that is not ours.
absl::StatusOr<ReplicaMarks> ReadReplicaMarks(const SegmentSet& segments);
// Replaces the file durably, or removes it when there is nothing to say.
absl::Status WriteReplicaMarks(const SegmentSet& segments, const ReplicaMarks& marks);

// Keeps [to, end) aside in files "*.salvaged", takes it out of the log, and then out of the marks.
// May be repeated after a crash at any moment, until the marks no longer name it.
absl::Status FinishTruncation(SegmentSet& segments, ReplicaMarks& marks);

// Where the marks order that an empty log begins: keeps all segments aside in files "*.salvaged",
// or removes those of a copy. May be repeated as FinishTruncation.
absl::Status BeginRefill(SegmentSet& segments, ReplicaMarks& marks);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_REPLICA_FILE_H_
