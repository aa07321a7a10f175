#ifndef MANSIO_BROKER_PLACEMENT_UNFINISHED_H_
#define MANSIO_BROKER_PLACEMENT_UNFINISHED_H_

#include <cstdint>
#include <string>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"

namespace mansio::broker {

// What the groups of a topic have not finished on this broker: messages to hand out, handed out, or
// to be retried.
struct Unfinished {
  uint64_t messages = 0;  // of all groups together
  std::string group;      // one that has not finished
};

// Counts it; groups that have no position on the topic have nothing to finish. With `in_order`, of
// FIFO groups only. Looks at every group: for commands, and for topics that are drained.
// Thread-safe.
Unfinished CountUnfinished(const Metadata& metadata, const Consumption& consumption,
                           const Topic& topic, bool in_order);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_UNFINISHED_H_
