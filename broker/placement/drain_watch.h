#ifndef MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_
#define MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_

#include <cstdint>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "store/store.h"

namespace mansio::broker {

// Looks whether the groups of topics that are drained have finished them, which takes these out of
// the routes. What comes later (a delayed message, a transaction that is committed) brings a topic
// back until it is finished, too.
class DrainWatch {
 public:
  // A topic that is finished costs little: its groups are looked at again when something has come
  // to its queues, and each so many rounds, for what comes otherwise (resent dead letters, groups
  // that are reset).
  static constexpr uint64_t kRoundsToAll = 10;

  // Borrowed. `changed` is told of a topic whose routes change.
  DrainWatch(const Metadata* metadata, const Consumption* consumption,
             std::function<void(const TopicPtr&)> changed)
      : metadata_(metadata), consumption_(consumption), changed_(std::move(changed)) {}

  // Whose queues these are; before the first Look.
  void Attach(const store::Store* store) { store_ = store; }
  // Run about once a second, by one thread.
  void Look();

 private:
  // Grows with each message of the topic.
  uint64_t EndOf(const Topic& topic) const;

  const Metadata* const metadata_;
  const Consumption* const consumption_;
  const std::function<void(const TopicPtr&)> changed_;
  const store::Store* store_ = nullptr;
  uint64_t rounds_ = 0;
  absl::flat_hash_map<uint32_t, uint64_t> ends_;  // of topics, before their groups were looked at
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_
