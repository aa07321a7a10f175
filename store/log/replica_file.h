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

// What the file REPLICA beside the segments says; a log that was never a slave's has none.
//
//   foreign <offset>              frames from there on were written by another broker first: their
//                                 `synced` speaks of its disk
//   truncate <offset> <end>       see Truncation
struct ReplicaMarks {
  std::optional<LogOffset> foreign_from;
  std::optional<Truncation> truncation;
};

// DataLoss for a file that is not ours.
absl::StatusOr<ReplicaMarks> ReadReplicaMarks(const SegmentSet& segments);
// Replaces the file durably, or removes it when there is nothing to say.
absl::Status WriteReplicaMarks(const SegmentSet& segments, const ReplicaMarks& marks);

// Keeps [to, end) aside in files "*.salvaged", takes it out of the log, and then out of the marks.
// May be repeated after a crash at any moment, until the marks no longer name it.
absl::Status FinishTruncation(SegmentSet& segments, ReplicaMarks& marks);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_REPLICA_FILE_H_
