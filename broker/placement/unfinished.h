#ifndef MANSIO_BROKER_PLACEMENT_UNFINISHED_H_
#define MANSIO_BROKER_PLACEMENT_UNFINISHED_H_

#include <cstdint>
#include <string>
#include <vector>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"

namespace mansio::broker {

// What the groups of a topic have not finished on this broker: messages to hand out, handed out, or
// to be retried.
struct Unfinished {
  uint64_t messages = 0;  // of all groups together
  std::string group;      // one that has not finished
};

// Counts it for each of these topics; groups that have no position on one have nothing to finish,
// and clients of broadcast groups that are away may never come again: nobody waits for them. With
// `in_order`, of FIFO groups only. Looks at every group, once: for commands, and for topics that
// are drained. Thread-safe.
std::vector<Unfinished> CountUnfinished(const Metadata& metadata, const Consumption& consumption,
                                        const std::vector<TopicPtr>& topics, bool in_order);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_UNFINISHED_H_
