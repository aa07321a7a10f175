#include "broker/consumption/positions.h"

#include <memory>
#include <utility>
#include <vector>

#include "common/clock/broker_time.h"

namespace mansio::broker {

// The position on its way into the log.
class Positions::PositionAppend : public store::Append {
 public:
  PositionAppend(GroupProgressPtr group, uint32_t topic)
      : group_(std::move(group)), topic_(topic) {}
  void Applied(const store::AppendResult&) override { Tell(absl::OkStatus()); }
  void Failed(const absl::Status& status) override { Tell(status); }

 private:
  void Tell(const absl::Status& status) {
    std::vector<Done> waiting;
    {
      MutexLock lock(&group_->mutex);
      waiting = std::move(group_->positioning[topic_]);
      group_->positioning.erase(topic_);
    }
    for (Done& done : waiting) done(status);
  }

  const GroupProgressPtr group_;
  const uint32_t topic_;
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
        record.cursors.push_back(StartOf(*group, {topic->id, id}));
      }
      auto append = std::make_unique<PositionAppend>(progress, topic->id);
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

store::QueueOffset Positions::StartOf(const GroupRecord& group, store::QueueKey queue) const {
  const store::Store& store = *state_->store();
  const store::QueueRange range = store.Range(queue);
  switch (group.start) {
    case StartPolicy::kEarliest:
      return range.min;
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
