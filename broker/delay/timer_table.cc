#include "broker/delay/timer_table.h"

#include <string>
#include <vector>

#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

constexpr int kBucketBits = 13;  // of milliseconds

int64_t BucketOf(const TimerKey& timer) { return timer.due_ms >> kBucketBits; }
TimerKey FirstOf(int64_t bucket) { return {bucket << kBucketBits, 0}; }

}  // namespace

bool TimerTable::Insert(const TimerKey& timer) {
  if (!keys_.insert(timer).second) return false;
  dirty_.insert(BucketOf(timer));
  return true;
}

bool TimerTable::Erase(const TimerKey& timer) {
  if (keys_.erase(timer) == 0) return false;
  dirty_.insert(BucketOf(timer));
  return true;
}

void TimerTable::Capture(int64_t bucket, store::StateSink& sink) const {
  const auto number = static_cast<uint64_t>(bucket);
  ByteWriter key;
  key.U8('D').U8(static_cast<uint8_t>(tag_));
  key.Key32(static_cast<uint32_t>(number >> 32)).Key32(static_cast<uint32_t>(number));
  const std::vector<TimerKey> timers(keys_.lower_bound(FirstOf(bucket)),
                                     keys_.lower_bound(FirstOf(bucket + 1)));
  if (timers.empty()) {
    sink.Delete(key.str());
  } else {
    sink.Put(key.str(), EncodeTimers(timers));
  }
}

void TimerTable::CaptureDirty(store::StateSink& sink) {
  for (const int64_t bucket : dirty_) Capture(bucket, sink);
  dirty_.clear();
}

void TimerTable::CaptureAll(store::StateSink& sink) const {
  for (auto it = keys_.begin(); it != keys_.end();) {
    const int64_t bucket = BucketOf(*it);
    Capture(bucket, sink);
    it = keys_.lower_bound(FirstOf(bucket + 1));
  }
}

void TimerTable::Clear() {
  keys_.clear();
  dirty_.clear();
}

}  // namespace mansio::broker
