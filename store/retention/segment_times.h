#ifndef MANSIO_STORE_RETENTION_SEGMENT_TIMES_H_
#define MANSIO_STORE_RETENTION_SEGMENT_TIMES_H_

#include <deque>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "common/sync/sync.h"
#include "store/checkpoint/key_value_store.h"
#include "store/types.h"

namespace mansio::store {

// The last store time of each finished segment, which retention by age asks for. Kept in the
// checkpoint under "g" first:u64 -> last store time:i64, so that a start need not read old
// segments. Written by the log thread; LastTime and Forget are for any thread.
class SegmentTimes {
 public:
  // The tail has left the segment [first, next). Records of it may still have to be folded.
  void Ended(LogOffset first, LogOffset next);
  // The fold has reached `offset`; the last record before it had `store_time`.
  void Passed(LogOffset offset, StoreTime store_time);

  // The last store time in the segment that begins at `first`; 0 when it is not known.
  StoreTime LastTime(LogOffset first) const;
  // The segments below `offset` are gone.
  void Forget(LogOffset offset);

  // Adds what changed since the last call.
  void CaptureDirty(KeyValueBatch& batch);
  absl::Status Restore(std::string_view key, std::string_view value);
  void Clear();

 private:
  std::deque<std::pair<LogOffset, LogOffset>> ended_;  // the log thread's own
  mutable Mutex mutex_;
  std::map<LogOffset, StoreTime> times_ ABSL_GUARDED_BY(mutex_);  // by first offset
  std::vector<LogOffset> added_ ABSL_GUARDED_BY(mutex_);
  std::vector<LogOffset> removed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_SEGMENT_TIMES_H_
