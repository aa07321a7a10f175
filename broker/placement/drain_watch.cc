#include "broker/placement/drain_watch.h"

#include <vector>

#include "broker/placement/unfinished.h"
#include "common/logging/logging.h"

namespace mansio::broker {

uint64_t DrainWatch::EndOf(const Topic& topic) const {
  uint64_t end = 0;
  for (uint32_t queue = 0; queue < topic.queues; ++queue) {
    end += store_->Range({topic.id, queue}).next;
  }
  return end;
}

void DrainWatch::Look() {
  if (!metadata_->AnyDraining()) return ends_.clear();
  const bool at_all = ++rounds_ % kRoundsToAll == 0;
  absl::flat_hash_map<uint32_t, uint64_t> ends;
  std::vector<TopicPtr> topics;
  for (TopicPtr& topic : metadata_->DrainingTopics()) {
    const uint64_t end = ends[topic->id] = EndOf(*topic);
    const auto before = ends_.find(topic->id);
    const bool quiet = topic->IsFinished() && before != ends_.end() && before->second == end;
    if (at_all || !quiet) topics.push_back(std::move(topic));
  }
  ends_ = std::move(ends);
  if (topics.empty()) return;
  const std::vector<Unfinished> left = CountUnfinished(*metadata_, *consumption_, topics, false);
  for (size_t i = 0; i < topics.size(); ++i) {
    const bool finished = left[i].messages == 0;
    if (topics[i]->finished.exchange(finished) == finished) continue;
    if (finished) {
      LOG_INFO("Topic {} is drained: its groups have finished what is here", topics[i]->name);
    }
    changed_(topics[i]);
  }
}

}  // namespace mansio::broker
