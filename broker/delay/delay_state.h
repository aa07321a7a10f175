#ifndef MANSIO_BROKER_DELAY_DELAY_STATE_H_
#define MANSIO_BROKER_DELAY_DELAY_STATE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "broker/core/feature.h"
#include "broker/delay/place_set.h"
#include "broker/delay/records.h"
#include "broker/delay/timer_table.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// The fold of all delay records: the pending timers, and those recalled lately. Thread-safe.
//
// The claims are the decisions on their way into the log: a timer is fired or recalled, never both.
class DelayState : public Feature {
 public:
  // What a recall finds.
  enum class Recall {
    kClaimed,  // the caller logs it
    kJoined,   // another recall is on its way; `done` is called with its outcome
    kBefore,   // was recalled before
    kGone,     // delivered, being delivered, or never known
  };
  using RecallDone = std::function<void(const absl::Status&)>;
  // A recall is answered in the same way again until this long after the timer's due time.
  static constexpr int64_t kRememberMs = 3600 * 1000;
  // And while no more than so many recalls are remembered, those with a later due time first.
  static constexpr size_t kRemembered = 1'000'000;

  // Listens to `metadata` for the two system topics; add it to the FeatureSet after metadata.
  explicit DelayState(Metadata* metadata);

  // Called when there may be an earlier timer to fire than NextDue said: on the log thread after a
  // batch that added some, and by EndRecall.
  void OnEarlier(std::function<void()> earlier) { on_earlier_ = std::move(earlier); }
  store::Store* store() const { return store_; }

  // The queue that the timers of a level (0: exact times) wait in.
  store::QueueKey QueueOf(uint32_t level) const;

  // Up to `max` timers, in order, that are due at `now_ms`, not claimed, and not taken before.
  std::vector<TimerKey> TakeDue(int64_t now_ms, size_t max);
  // The same without taking them.
  std::vector<TimerKey> Due(int64_t now_ms, size_t max) const;
  // What was taken and is not fired, from `first` on, will be taken again.
  void PutBack(const TimerKey& first);
  // The due time of the first timer that TakeDue would ever give; nullopt when there is none.
  std::optional<int64_t> NextDue() const;
  // The same of the first one from `from` on, whether taken or not.
  std::optional<int64_t> NextDue(const TimerKey& from) const;
  // Up to `max` pending timers, in order, from `from` on, that are due at `until_ms`.
  std::vector<TimerKey> Upcoming(const TimerKey& from, int64_t until_ms, size_t max) const;
  // Claims a timer for its firing; false when it is gone or claimed.
  bool ClaimFiring(const TimerKey& timer);
  // It is not fired after all, and taken again once it was put back.
  void Unclaim(const TimerKey& timer);

  // TakeDue passes over a timer that cannot be fired now, until TakeUp puts all of them back.
  void SetAside(const TimerKey& timer);
  void TakeUp();
  bool has_aside() const;
  // So many timers that ended as fired had nothing left to deliver.
  void NoteLost(uint64_t timers) { lost_.fetch_add(timers, std::memory_order_relaxed); }

  bool IsPending(const TimerKey& timer) const;
  Recall ClaimRecall(const TimerKey& timer, RecallDone done);
  // The claimed recall is decided: ends the claim and tells those that joined.
  void EndRecall(const TimerKey& timer, const absl::Status& status);

  // The first `max` pending timers behind `after`, in the order in which they fire.
  std::vector<TimerKey> List(const TimerKey& after, size_t max) const;
  size_t pending() const { return pending_count_.load(std::memory_order_relaxed); }
  // How many timers of each level are pending, [0]: of exact times.
  std::vector<size_t> PendingByLevel() const;
  // Since the start of this process. `fired`: delivered.
  uint64_t fired() const { return ended_.load(std::memory_order_relaxed) - lost(); }
  uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  uint64_t recalled() const { return recalled_count_.load(std::memory_order_relaxed); }

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'D'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override;
  void BatchEnd() override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override;

 private:
  struct Claim {
    bool recall = false;
    std::vector<RecallDone> joined;
  };

  void ApplyMessage(const store::MessageView& message);
  void ApplyEnd(const store::RecordView& record);
  void Insert(const TimerKey& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(const TimerKey& timer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<int64_t> NextDueFrom(const TimerKey& from) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Up to `max` due ones from scan_ on, which are not claimed, and where the search for them ended.
  std::vector<TimerKey> FindDue(int64_t now_ms, size_t max, TimerKey* end) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetRecalls(int64_t now_ms) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  store::Store* store_ = nullptr;
  std::function<void()> on_earlier_;
  std::atomic<uint32_t> level_topic_{0};  // ids; 0: not yet there
  std::atomic<uint32_t> timer_topic_{0};
  std::atomic<size_t> pending_count_{0};
  std::atomic<uint64_t> ended_{0};  // as fired
  std::atomic<uint64_t> lost_{0};   // of these
  std::atomic<uint64_t> recalled_count_{0};
  bool added_ = false;  // log thread only

  mutable Mutex mutex_;
  TimerTable pending_ ABSL_GUARDED_BY(mutex_){'p'};
  TimerTable recalled_ ABSL_GUARDED_BY(mutex_){'r'};
  PlaceSet places_ ABSL_GUARDED_BY(mutex_);                              // of pending_
  std::vector<size_t> by_level_ ABSL_GUARDED_BY(mutex_);                 // how many of pending_
  absl::flat_hash_map<uint64_t, Claim> claims_ ABSL_GUARDED_BY(mutex_);  // by place
  absl::btree_set<TimerKey> aside_ ABSL_GUARDED_BY(mutex_);
  TimerKey scan_ ABSL_GUARDED_BY(mutex_);  // what lies before it was taken
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_DELAY_STATE_H_
