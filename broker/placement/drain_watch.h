#ifndef MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_
#define MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_

#include <functional>
#include <utility>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"

namespace mansio::broker {

// Looks whether the groups of topics that are drained have finished them, which takes these out of
// the routes. What comes later (a delayed message, a transaction that is committed) brings a topic
// back until it is finished, too.
class DrainWatch {
 public:
  // Borrowed. `changed` is told of a topic whose routes change.
  DrainWatch(const Metadata* metadata, const Consumption* consumption,
             std::function<void(const TopicPtr&)> changed)
      : metadata_(metadata), consumption_(consumption), changed_(std::move(changed)) {}

  // Run about once a second, by one thread.
  void Look();

 private:
  const Metadata* const metadata_;
  const Consumption* const consumption_;
  const std::function<void(const TopicPtr&)> changed_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_DRAIN_WATCH_H_
