#ifndef MANSIO_BROKER_DELAY_TIMER_TABLE_H_
#define MANSIO_BROKER_DELAY_TIMER_TABLE_H_

#include <cstdint>
#include <string_view>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_set.h"
#include "broker/delay/records.h"
#include "store/state_machine.h"

namespace mansio::broker {

// A set of timers in order, about 20 bytes each, and how it goes into a checkpoint: as one pair for
// all timers that are due within the same eight seconds, so that a million of them are read back
// as some ten thousand pairs. Not thread-safe.
class TimerTable {
 public:
  using Keys = absl::btree_set<TimerKey>;

  // The pairs' keys begin with the delay feature's prefix and `tag`.
  explicit TimerTable(char tag) : tag_(tag) {}

  bool Insert(const TimerKey& timer);
  bool Erase(const TimerKey& timer);
  const Keys& keys() const { return keys_; }

  // As store::StateMachine.
  void CaptureDirty(store::StateSink& sink);
  void CaptureAll(store::StateSink& sink) const;
  // Takes back one timer of a pair (EncodeTimers); it counts as saved.
  void Restore(const TimerKey& timer) { keys_.insert(keys_.end(), timer); }
  void Clear();

 private:
  void Capture(int64_t bucket, store::StateSink& sink) const;

  const char tag_;
  Keys keys_;
  absl::flat_hash_set<int64_t> dirty_;  // buckets
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_TIMER_TABLE_H_
