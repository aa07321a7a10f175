#ifndef MANSIO_STORE_LOG_READS_H_
#define MANSIO_STORE_LOG_READS_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "store/log/commit_log.h"
#include "store/record.h"
#include "store/store.h"
#include "store/types.h"

// Reading the log by log offset, for those who look for a message rather than consume it. Blocks;
// safe on any thread and at any offset.
namespace mansio::store {

// See Store::ReadMessageAt.
absl::StatusOr<LocatedMessage> ReadMessageAt(CommitLog* log, LogOffset offset);

// See Store::ReadLog.
absl::StatusOr<LogOffset> ReadRecords(CommitLog* log, LogOffset from, size_t max_bytes,
                                      absl::FunctionRef<void(const RecordView& record)> visit);

// See Store::NextLogFile.
LogOffset NextLogFile(const CommitLog& log, LogOffset from);

// Calls `visit` for each record of the frames of a run that begin below `limit`, and `ended` behind
// each frame with its epoch and where the log goes on. Returns that of the last. DataLoss names the
// place that is damaged.
absl::StatusOr<LogOffset> ForEachRecordOf(
    const FrameRun& run, LogOffset limit, absl::FunctionRef<void(const RecordView& record)> visit,
    absl::FunctionRef<void(Epoch epoch, LogOffset next)> ended);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_READS_H_
