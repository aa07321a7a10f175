#ifndef MANSIO_BROKER_TRANSACTION_TRANSACTION_STATE_H_
#define MANSIO_BROKER_TRANSACTION_TRANSACTION_STATE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "broker/core/feature.h"
#include "broker/metadata/metadata.h"
#include "broker/transaction/outcome_table.h"
#include "broker/transaction/records.h"
#include "common/metrics/histogram.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Names one half for good, also where a power cut has given its offset to another one.
struct HalfKey {
  store::Epoch epoch = 0;
  store::QueueOffset half = 0;  // in kHalfTopic
};

// A message that waits for the end of its transaction.
struct Half {
  store::Epoch epoch = 0;
  uint32_t topic = 0;       // where it goes when it is committed
  uint32_t checks = 0;      // that were sent to a producer
  int64_t stored_ms = 0;    // broker time, as all here
  int64_t recovery_ms = 0;  // until the first check, as the message wants it; 0: as configured
  int64_t checked_ms = 0;   // when the last check was sent; 0: never
  bool in_checkpoint = false;
};

// Those of RocketMQ's rocketmq_finish_message_latency, as milliseconds.
inline constexpr std::array<int64_t, 6> kFinishBounds = {5'000,     60'000,     600'000,
                                                         3'600'000, 43'200'000, 86'400'000};

// How many halves there ever were, and what became of them.
struct TransactionTotals {
  uint64_t halves = 0;
  uint64_t committed = 0;
  uint64_t rolled_back = 0;
  uint64_t expired = 0;
};

// The fold of all transaction records: pending halves and the outcomes of ended ones; and the
// claims of ends that are on their way into the log.
class TransactionState : public Feature {
 public:
  // Told on the log thread, with no lock held. Both optional.
  struct Hooks {
    std::function<void(store::QueueOffset, const Half&)> half_added;
    std::function<void(store::QueueOffset, const Half&)> half_ended;
  };
  // Runs once, when an end is decided: OK, or why it is not (wire status).
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  // What is to be done about an end that was asked for.
  enum class Claim {
    kMine,     // log it, then call Ended
    kJoined,   // it is on its way already; `done` will be called with it
    kDecided,  // answer with `status`
  };
  struct ClaimResult {
    Claim claim = Claim::kDecided;
    absl::Status status;  // kDecided: OK when it has ended the same way
    Half half;            // kMine
  };

  // Listens to `metadata` for deleted topics, whose halves are rolled back; add it to the
  // FeatureSet after metadata.
  explicit TransactionState(Metadata* metadata);

  void SetHooks(Hooks hooks) { hooks_ = std::move(hooks); }
  store::Store* store() const { return store_; }

  // Claims the end of a half. `done` is taken, and kept until Ended, unless the claim is kDecided.
  // Errors are INVALID_TRANSACTION_ID with a sentence.
  ClaimResult ClaimEnd(HalfKey key, TransactionOutcome outcome, Done& done);
  // The end that was claimed is applied (OK) or failed: answers all that wait for it.
  void Ended(store::QueueOffset half, const absl::Status& status);

  // A pending half; nullopt when there is none, or none of the epoch.
  std::optional<Half> Find(store::QueueOffset half) const;
  std::optional<Half> Find(HalfKey key) const;
  // Whether its end is on the way.
  bool IsClaimed(store::QueueOffset half) const;
  // How a half ended; kPending while it has not; nullopt when that is not known (any more).
  std::optional<TransactionOutcome> OutcomeOf(HalfKey key) const;
  // When a half that has ended, and is still remembered, began.
  std::optional<store::Epoch> EpochOf(store::QueueOffset half) const;
  // Pending halves from `from` on, oldest first, at most `max`; of one topic if it is not 0.
  std::vector<std::pair<store::QueueOffset, Half>> List(store::QueueOffset from, size_t max,
                                                        uint32_t topic) const;
  // Pending halves by topic, those with some.
  absl::btree_map<uint32_t, size_t> CountByTopic() const;
  size_t pending() const;
  TransactionTotals totals() const;
  // Transactions that ended since the start of the process, by their milliseconds.
  metrics::HistogramSnapshot finish_ms() const { return finish_ms_.Snapshot(); }

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'T'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  // Pending halves: they outlive the retention of the log.
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override;

 private:
  struct EndClaim {
    TransactionOutcome outcome = TransactionOutcome::kPending;
    std::vector<Done> waiting;
  };

  void ApplyHalf(const HalfRecord& record, store::Epoch epoch) ABSL_LOCKS_EXCLUDED(mutex_);
  void ApplyEnd(const TransactionEndRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);
  void CountEnd(const Half& half, TransactionOutcome outcome, store::StoreTime now);
  void ApplyChecked(const HalvesCheckedRecord& record) ABSL_LOCKS_EXCLUDED(mutex_);
  void RestoreHalf(store::QueueOffset offset, Half half) ABSL_LOCKS_EXCLUDED(mutex_);
  void ForgetTopic(uint32_t topic) ABSL_LOCKS_EXCLUDED(mutex_);
  // They need no place below the retention of the log any more.
  void ForgetCarried(const std::vector<store::QueueOffset>& halves);
  void InsertHalf(store::QueueOffset offset, const Half& half)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EraseHalf(store::QueueOffset half, TransactionOutcome outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Metadata* const metadata_;
  Hooks hooks_;
  store::Store* store_ = nullptr;

  mutable Mutex mutex_;
  absl::btree_map<store::QueueOffset, Half> halves_ ABSL_GUARDED_BY(mutex_);
  absl::btree_map<uint32_t, size_t> pending_by_topic_ ABSL_GUARDED_BY(mutex_);
  OutcomeTable outcomes_ ABSL_GUARDED_BY(mutex_);
  TransactionTotals totals_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<store::QueueOffset, EndClaim> claims_ ABSL_GUARDED_BY(mutex_);

  metrics::Histogram<kFinishBounds> finish_ms_;

  // Log thread only.
  store::QueueOffset last_offset_ = 0;  // of the last message applied: a half's own
  int64_t last_stored_ms_ = 0;
  absl::flat_hash_set<store::QueueOffset> dirty_;  // added, checked, or ended after a checkpoint
  bool dirty_totals_ = false;
};

// INVALID_TRANSACTION_ID for an id that no half has (any more).
absl::Status UnknownTransaction();

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_TRANSACTION_STATE_H_
