#ifndef MANSIO_BROKER_CONSUMPTION_DEAD_LETTER_RETENTION_H_
#define MANSIO_BROKER_CONSUMPTION_DEAD_LETTER_RETENTION_H_

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "broker/core/feature.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/metadata/metadata.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Dead letters have a retention of their own (design section 5): younger ones are live, and carried
// forward when their segment goes. What is folded for that is small: for each dead-letter topic now
// and then a mark of an offset and its time, so that the old ones need not be looked at. Log
// thread.
class DeadLetterRetention : public Feature {
 public:
  // Marks of one topic are at least this far apart.
  static constexpr int64_t kMarkMs = 3600 * 1000;

  // Listens to `metadata`; add it to the FeatureSet after it. All are borrowed. A dead letter is
  // live until `keep` after it became one, unless it was removed before.
  DeadLetterRetention(Metadata* metadata, const DeadLetterState* letters, BrokerTime* time,
                      absl::Duration keep);

  // Feature
  std::vector<store::RecordKind> Kinds() const override { return {store::kMessageRecord}; }
  char KeyPrefix() const override { return 'L'; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;
  std::vector<store::LiveMessage> LiveMessages(store::QueueKey queue, store::QueueOffset from,
                                               store::QueueOffset to, size_t max) const override;

 private:
  // The message at `offset` was stored at `time_ms`, and those before it not later.
  struct Mark {
    int64_t time_ms = 0;
    store::QueueOffset offset = 0;
  };
  using Marks = std::deque<Mark>;

  static void Put(uint32_t topic, const Marks& marks, store::StateSink& sink);
  // Everything before it is too old.
  store::QueueOffset YoungFrom(const Marks& marks) const;

  const DeadLetterState* const letters_;
  BrokerTime* const time_;
  const absl::Duration keep_;
  absl::flat_hash_map<uint32_t, Marks> topics_;  // all dead-letter topics
  absl::flat_hash_set<uint32_t> dirty_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_DEAD_LETTER_RETENTION_H_
