#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_STATE_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_STATE_H_

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/core/feature.h"
#include "broker/deadletter/removed_offsets.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Which dead letters were taken out of the %DLQ% topics, resent or purged: what stands in such a
// topic and is not in here is a dead letter. The fold of kDeadLettersRemovedRecord, and the claims
// of those whose record is on its way. Look-ups and claims are thread-safe.
class DeadLetterState : public Feature {
 public:
  // Listens to `metadata` for deleted topics; add it to the FeatureSet after it.
  explicit DeadLetterState(Metadata* metadata);

  store::Store* store() const { return store_; }

  // Whether a message of a dead-letter topic is one no more; claims count.
  bool IsGone(uint32_t topic, store::QueueOffset offset) const;
  // The same by the log alone: nothing that fails can bring it back.
  bool IsRemoved(uint32_t topic, store::QueueOffset offset) const;
  // Passes over removed ones: none of [offset, result) is a dead letter.
  store::QueueOffset SkipRemoved(uint32_t topic, store::QueueOffset offset) const;
  // The same backwards: none of [result, offset) is one.
  store::QueueOffset SkipRemovedBack(uint32_t topic, store::QueueOffset offset) const;
  // How many dead letters a topic has, those that were carried forward included.
  uint64_t Count(uint32_t topic) const;

  // How many of them, from an offset on, were carried forward and stand before the queue's minimum.
  uint64_t CountCarried(uint32_t topic, store::QueueOffset from) const;

  // Claims the removal of a dead letter; false when somebody else has.
  bool Claim(uint32_t topic, store::QueueOffset offset);
  // The claims' record was refused.
  void Unclaim(uint32_t topic, const std::vector<store::QueueOffset>& offsets);

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'R'; }
  void Attach(store::Store* store) override { store_ = store; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;

 private:
  struct Letters {
    RemovedOffsets removed;
    absl::flat_hash_set<store::QueueOffset> claimed;
  };
  void ForgetTopic(uint32_t topic) ABSL_LOCKS_EXCLUDED(mutex_);
  // Nothing of the topic stands before it any more: what was removed there need not be remembered.
  store::QueueOffset FirstOf(uint32_t topic) const;

  store::Store* store_ = nullptr;
  mutable Mutex mutex_;
  absl::flat_hash_map<uint32_t, Letters> topics_ ABSL_GUARDED_BY(mutex_);

  // Log thread only: chunks of RemovedOffsets by topic that the next checkpoint must write.
  absl::flat_hash_set<std::pair<uint32_t, uint64_t>> dirty_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_STATE_H_
