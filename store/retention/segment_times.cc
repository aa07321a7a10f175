#include "store/retention/segment_times.h"

#include <string>

#include "store/checkpoint/checkpoint_meta.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {

std::string SegmentKey(LogOffset first) {
  std::string key(kSegmentPrefix);
  PutBig<uint64_t>(key, first);
  return key;
}

}  // namespace

void SegmentTimes::Ended(LogOffset first, LogOffset next) { ended_.emplace_back(first, next); }

void SegmentTimes::Passed(LogOffset offset, StoreTime store_time) {
  while (!ended_.empty() && ended_.front().second <= offset) {
    const MutexLock lock(&mutex_);
    times_[ended_.front().first] = store_time;
    added_.push_back(ended_.front().first);
    ended_.pop_front();
  }
}

StoreTime SegmentTimes::LastTime(LogOffset first) const {
  const MutexLock lock(&mutex_);
  const auto it = times_.find(first);
  return it == times_.end() ? 0 : it->second;
}

void SegmentTimes::Forget(LogOffset offset) {
  const MutexLock lock(&mutex_);
  while (!times_.empty() && times_.begin()->first < offset) {
    removed_.push_back(times_.begin()->first);
    times_.erase(times_.begin());
  }
}

void SegmentTimes::CaptureDirty(KeyValueBatch& batch) {
  const MutexLock lock(&mutex_);
  for (const LogOffset first : added_) {
    const auto it = times_.find(first);
    if (it == times_.end()) continue;
    std::string value;
    PutLittle<int64_t>(value, it->second);
    batch.Put(SegmentKey(first), value);
  }
  for (const LogOffset first : removed_) batch.Delete(SegmentKey(first));
  added_.clear();
  removed_.clear();
}

absl::Status SegmentTimes::Restore(std::string_view key, std::string_view value) {
  if (key.size() != kSegmentPrefix.size() + 8 || value.size() != 8) {
    return absl::DataLossError("the checkpoint is damaged: a segment's time has a wrong length");
  }
  const MutexLock lock(&mutex_);
  times_[GetBig<uint64_t>(key, kSegmentPrefix.size())] = GetLittle<int64_t>(value);
  return absl::OkStatus();
}

void SegmentTimes::Clear() {
  ended_.clear();
  const MutexLock lock(&mutex_);
  times_.clear();
  added_.clear();
  removed_.clear();
}

}  // namespace mansio::store
