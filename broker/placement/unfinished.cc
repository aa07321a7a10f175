#include "broker/placement/unfinished.h"

#include "absl/container/flat_hash_map.h"
#include "common/names/names.h"
#include "common/names/string_map.h"

namespace mansio::broker {

std::vector<Unfinished> CountUnfinished(const Metadata& metadata, const Consumption& consumption,
                                        const std::vector<TopicPtr>& topics, bool in_order) {
  std::vector<Unfinished> all(topics.size());
  absl::flat_hash_map<uint32_t, Unfinished*> by_id;
  StringMap<Unfinished*> by_name;
  for (size_t i = 0; i < topics.size(); ++i) {
    by_id[topics[i]->id] = &all[i];
    by_name[topics[i]->name] = &all[i];
  }
  for (const GroupPtr& group : metadata.Groups()) {
    if (in_order && !group->fifo) continue;
    const TopicPtr retries = metadata.FindTopic(names::RetryTopic(group->name));
    // The topic that a queue's messages were sent to, if it is one of these.
    const auto find = [&](const QueueConsumption& queue) -> Unfinished* {
      if (retries == nullptr || queue.topic != retries->name) {
        const auto found = by_name.find(queue.topic);
        return found == by_name.end() ? nullptr : found->second;
      }
      if (queue.queue >= retries->origins.size()) return nullptr;
      const auto found = by_id.find(retries->origins[queue.queue]);
      return found == by_id.end() ? nullptr : found->second;
    };
    for (const QueueConsumption& queue : consumption.Describe(*group)) {
      const uint64_t messages = queue.away ? 0 : queue.leased + queue.ready;
      Unfinished* const of_topic = messages > 0 ? find(queue) : nullptr;
      if (of_topic == nullptr) continue;
      if (of_topic->messages == 0) of_topic->group = group->name;
      of_topic->messages += messages;
    }
  }
  return all;
}

}  // namespace mansio::broker
