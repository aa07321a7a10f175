#ifndef MANSIO_STORE_LOG_FRAME_READER_H_
#define MANSIO_STORE_LOG_FRAME_READER_H_

#include <cstddef>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/log/epoch_history.h"
#include "store/log/replicated_log.h"
#include "store/log/segment_set.h"
#include "store/log/tail_cache.h"
#include "store/types.h"

namespace mansio::store {

// Reads whole frames [from, …) that end at or below `limit`, at most `max_bytes` of them but at
// least one, all of one segment: from the tail cache, or else from the file. Headers are checked,
// payloads are not. Errors as ReplicatedLog::ReadFrames. Thread-safe.
absl::StatusOr<FrameRun> ReadFrameRun(const SegmentSet& segments, const TailCache& cache,
                                      LogOffset from, LogOffset limit, size_t max_bytes);

// What the frames of another broker are, once they have been checked.
struct CheckedFrames {
  LogOffset first = 0;
  LogOffset end = 0;  // behind the last frame
  uint64_t segment_bytes = 0;
  bool ends_segment = false;           // the last one is a filler
  std::vector<EpochStart> new_reigns;  // that begin in them
  StoreTime store_time = 0;            // the greatest
};

// Verifies frames that are to follow a log whose last epoch is `epoch`: checksums, places, epochs,
// records. DataLoss or FailedPrecondition as ReplicatedLog::AppendFrames. Safe on arbitrary bytes.
absl::StatusOr<CheckedFrames> CheckFrames(std::string_view frames, Epoch epoch);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_FRAME_READER_H_
