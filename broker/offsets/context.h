#ifndef MANSIO_BROKER_OFFSETS_CONTEXT_H_
#define MANSIO_BROKER_OFFSETS_CONTEXT_H_

#include <atomic>

#include "broker/consumption/wait_list.h"
#include "broker/filter/filter_cache.h"
#include "broker/offsets/offsets.h"

namespace apache::rocketmq::v2 {
class MessageQueue;
}

namespace mansio::broker {

// What the parts of this folder share. All borrowed from OffsetsImpl.
struct OffsetsContext {
  const OffsetsOptions& options;
  const Offsets::Environment& environment;
  // Pulls by queue: the list's "group" is the queue id, so that a message wakes all who wait for
  // its queue.
  WaitList& parked;
  FilterCache& filters;
  // Set when the broker stops: pulls are answered instead of parked.
  const std::atomic<bool>& stopping;
  store::Store* const& store;
};

// A queue that a request names, checked.
struct NamedQueue {
  TopicPtr topic;
  store::QueueKey key;
};

// ILLEGAL_TOPIC or TOPIC_NOT_FOUND for the topic; BAD_REQUEST for a queue that the topic does not
// have here, or that is said to be another broker's: its offsets mean nothing here.
absl::StatusOr<NamedQueue> FindQueue(const OffsetsContext& context,
                                     const apache::rocketmq::v2::MessageQueue& queue);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_OFFSETS_CONTEXT_H_
