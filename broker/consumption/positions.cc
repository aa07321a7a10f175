#include "broker/consumption/positions.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/clock/broker_time.h"

namespace mansio::broker {

// The position on its way into the log.
class Positions::PositionAppend : public store::Append {
 public:
  PositionAppend(Positions* positions, GroupProgressPtr progress, GroupPtr group, TopicPtr topic)
      : positions_(positions),
        progress_(std::move(progress)),
        group_(std::move(group)),
        topic_(std::move(topic)) {}
  void Applied(const store::AppendResult&) override { Tell(absl::OkStatus()); }
  void Failed(const absl::Status& status) override { Tell(status); }

 private:
  void Tell(absl::Status status) {
    std::vector<Done> waiting;
    bool fixed = false;
    {
      MutexLock lock(&progress_->mutex);
      waiting = std::move(progress_->positioning[topic_->id]);
      progress_->positioning.erase(topic_->id);
      const auto it = progress_->topics.find(topic_->id);
      fixed = it != progress_->topics.end() && it->second.fixed();
    }
    // The group or the topic was deleted before the position came into the log.
    if (status.ok() && !fixed) {
      status = positions_->state_->Find(group_->id) == nullptr ? GroupNotFound(group_->name)
                                                               : TopicNotFound(topic_->name);
    }
    for (Done& done : waiting) done(status);
  }

  Positions* const positions_;
  const GroupProgressPtr progress_;
  const GroupPtr group_;
  const TopicPtr topic_;
};

void Positions::Ensure(const GroupPtr& group, const TopicPtr& topic, bool implied, Done done) {
  const GroupProgressPtr progress = state_->FindOrCreate(group->id);
  absl::Status refused;
  {
    MutexLock lock(&progress->mutex);
    const auto it = progress->topics.find(topic->id);
    const bool fixed = it != progress->topics.end() && it->second.fixed();
    if (!fixed) {
      const auto [waiting, first] = progress->positioning.try_emplace(topic->id);
      if (!first) {
        waiting->second.push_back(std::move(done));
        return;
      }
      PositionRecord record{group->id, topic->id, implied, {}, group->fifo};
      for (uint32_t id = 0; id < topic->queues; ++id) {
        record.cursors.push_back(StartOf(*group, *topic, id));
      }
      auto append = std::make_unique<PositionAppend>(this, progress, group, topic);
      append->AddRecord(kPositionRecord, record.Encode());
      // Nobody can be told before we release the lock: Tell takes it.
      refused = state_->store()->Submit(std::move(append));
      if (refused.ok()) {
        progress->positioning[topic->id].push_back(std::move(done));
        return;
      }
      progress->positioning.erase(topic->id);
    }
  }
  done(refused);
}

store::QueueOffset FirstOf(const store::Store& store, const Topic& topic, uint32_t queue) {
  const store::QueueKey key{topic.id, queue};
  const store::QueueOffset min = store.Range(key).min;
  if (topic.kind != TopicKind::kDeadLetter) return min;
  const auto carried = store.CarriedEntries(key, 0, 1);
  return carried.empty() ? min : std::min(min, carried[0].offset);
}

store::QueueOffset Positions::StartOf(const GroupRecord& group, const Topic& topic,
                                      uint32_t queue_id) const {
  const store::Store& store = *state_->store();
  const store::QueueKey queue{topic.id, queue_id};
  const store::QueueRange range = store.Range(queue);
  // What was sent here since the topic is on this broker, too, is for all that consumed it before.
  if (topic.added && group.created_ms <= topic.created_ms) return FirstOf(store, topic, queue_id);
  switch (group.start) {
    case StartPolicy::kEarliest:
      return FirstOf(store, topic, queue_id);
    case StartPolicy::kLatest:
      return range.next;
    case StartPolicy::kDefault:
      break;
  }
  const auto first = store.FirstStoreTime(queue);
  const bool recent =
      first.has_value() && *first >= time_->NowMillis() - absl::ToInt64Milliseconds(recent_);
  return recent && store.NeverTrimmed(queue) ? 0 : range.next;
}

}  // namespace mansio::broker
