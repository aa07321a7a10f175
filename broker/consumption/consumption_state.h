#ifndef MANSIO_BROKER_CONSUMPTION_CONSUMPTION_STATE_H_
#define MANSIO_BROKER_CONSUMPTION_CONSUMPTION_STATE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/consumption/group_progress.h"
#include "broker/core/feature.h"
#include "common/sync/sync.h"

namespace mansio::broker {

class BroadcastMembers;

using GroupProgressPtr = std::shared_ptr<GroupProgress>;

// Names one QueueProgress.
struct ProgressKey {
  uint32_t group = 0;
  uint32_t topic = 0;
  uint32_t queue = 0;
  friend auto operator<=>(const ProgressKey&, const ProgressKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const ProgressKey& k) {
    return H::combine(std::move(h), k.group, k.topic, k.queue);
  }
};

// The fold of all consumption records: every group's progress on every queue.
class ConsumptionState : public Feature {
 public:
  // Told on the log thread, with no lock held unless it says so. All optional.
  struct Hooks {
    // Messages of a topic were applied.
    std::function<void(uint32_t topic, size_t count)> messages_added;
    // Messages of a group came back and wait for their next delivery; `topic` is their own.
    std::function<void(uint32_t group, uint32_t topic, size_t count)> messages_returned;
    // A lease of this queue lapses at this broker time, earlier ones aside.
    std::function<void(const ProgressKey&, int64_t deadline_ms)> lease_until;
    // A group has a position on a topic.
    std::function<void(uint32_t group, uint32_t topic)> joined;
    // A group's position on a topic has changed; the lock of a group may be held.
    std::function<void(uint32_t topic)> moved;
    // Everything was forgotten.
    std::function<void()> cleared;
    std::function<void()> batch_end;
  };

  // Listens to `metadata` for deleted topics and groups; add it to the FeatureSet after metadata
  // and `members`. Both are borrowed.
  ConsumptionState(Metadata* metadata, const BroadcastMembers* members);

  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }
  store::Store* store() const { return store_; }
  // Store time of the last message or change of consumption; 0: none since the checkpoint. After a
  // replay about when the broker's last life ended.
  store::StoreTime last_applied() const { return last_applied_.load(std::memory_order_relaxed); }

  // nullptr when the group never consumed here.
  GroupProgressPtr Find(uint32_t group) const;
  GroupProgressPtr FindOrCreate(uint32_t group);
  std::vector<GroupProgressPtr> All() const;
  // Messages handed out and not acknowledged, all groups together; with leases on their way.
  size_t leases() const {
    return leases_.load(std::memory_order_relaxed) +
           claimed_leases_.load(std::memory_order_relaxed);
  }
  // Part of the fold: a client of a broadcast group is forgotten.
  void ForgetMember(uint32_t member) { ForgetGroup(member); }

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'C'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override;
  void BatchEnd() override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  // What any group has leased: the message is still to be acknowledged, or delivered again.
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override;

  // Leases of a group that are on their way into the log: they count against its limit and the
  // broker's while this lives, until a moment after they are applied.
  class LeaseClaim {
   public:
    LeaseClaim(ConsumptionState* state, GroupProgressPtr group, size_t count)
        : state_(state), group_(std::move(group)), count_(count) {
      state_->claimed_leases_.fetch_add(count_, std::memory_order_relaxed);
      group_->claimed_leases.fetch_add(count_, std::memory_order_relaxed);
    }
    ~LeaseClaim() {
      state_->claimed_leases_.fetch_sub(count_, std::memory_order_relaxed);
      group_->claimed_leases.fetch_sub(count_, std::memory_order_relaxed);
    }
    LeaseClaim(const LeaseClaim&) = delete;
    LeaseClaim& operator=(const LeaseClaim&) = delete;

   private:
    ConsumptionState* const state_;
    const GroupProgressPtr group_;
    const size_t count_;
  };

 private:
  // Whoever wrote it: a retry, a resent dead letter, or one of these that was delayed.
  void ApplyMessage(store::QueueKey queue);
  void ApplyPosition(const PositionRecord& record);
  void ApplyMoved(const PositionMovedRecord& record);
  void ApplyLease(const LeaseRecord& record, store::LogPosition id, store::StoreTime time);
  void ApplyChanged(const LeaseChangedRecord& record, store::LogPosition id);
  void ApplyEnd(const LeasesEndRecord& record, store::RecordKind kind);
  void NoteMove(uint32_t topic);
  void AddLeases(GroupProgress& group, size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex);
  void RemoveLeases(GroupProgress& group, size_t count) ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex);
  void NoteDeadline(const ProgressKey& key, const QueueProgress& progress);
  void FollowRetryTopic(const Topic& topic);
  void ForgetTopic(const Topic& topic);
  void ForgetGroup(uint32_t group);
  void Capture(const ProgressKey& key, store::StateSink& sink);

  const Metadata* const metadata_;
  const BroadcastMembers* const members_;
  Hooks hooks_;
  store::Store* store_ = nullptr;
  mutable Mutex mutex_;
  absl::flat_hash_map<uint32_t, GroupProgressPtr> groups_ ABSL_GUARDED_BY(mutex_);
  std::atomic<size_t> leases_{0};
  std::atomic<size_t> claimed_leases_{0};
  std::atomic<store::StoreTime> last_applied_{0};

  // Log thread only.
  absl::flat_hash_set<ProgressKey> dirty_;
  struct Added {
    size_t count = 0;
    TopicPtr retry;  // the topic, if it is one of a group's retries
  };
  absl::flat_hash_map<uint32_t, Added> added_;  // messages of this batch by topic
  // Messages of this batch that can be delivered again, by group and topic.
  absl::flat_hash_map<std::pair<uint32_t, uint32_t>, size_t> returned_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_CONSUMPTION_STATE_H_
