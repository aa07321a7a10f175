#include "broker/placement/unfinished.h"

#include <optional>

namespace mansio::broker {

namespace {

uint64_t CountOf(const Metadata& metadata, const Consumption& consumption, const GroupRecord& group,
                 const Topic& topic) {
  const std::optional<store::QueueKey> retries = metadata.FindRetryQueue(group, topic.id);
  const TopicPtr retry_topic = retries ? metadata.FindTopic(retries->topic) : nullptr;
  uint64_t messages = 0;
  for (const QueueConsumption& queue : consumption.Describe(group)) {
    const bool is_retry =
        retry_topic != nullptr && queue.topic == retry_topic->name && queue.queue == retries->queue;
    if (is_retry || queue.topic == topic.name) messages += queue.leased + queue.ready;
  }
  return messages;
}

}  // namespace

Unfinished CountUnfinished(const Metadata& metadata, const Consumption& consumption,
                           const Topic& topic, bool in_order) {
  Unfinished unfinished;
  for (const GroupPtr& group : metadata.Groups()) {
    if (in_order && !group->fifo) continue;
    const uint64_t messages = CountOf(metadata, consumption, *group, topic);
    if (messages > 0 && unfinished.messages == 0) unfinished.group = group->name;
    unfinished.messages += messages;
  }
  return unfinished;
}

}  // namespace mansio::broker
