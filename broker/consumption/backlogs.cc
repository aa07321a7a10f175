#include "broker/consumption/backlogs.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "broker/consumption/redelivery.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

// How lags are cut so that they are `max` together: the longest to `level`, `more` of them to one
// message more.
struct Cut {
  uint64_t level = 0;
  uint64_t more = 0;
};

Cut CutOf(std::vector<uint64_t> lags, uint64_t max) {
  std::sort(lags.begin(), lags.end());
  for (size_t i = 0; i < lags.size(); ++i) {
    const uint64_t longest = lags.size() - i;
    if (lags[i] > max / longest) return {max / longest, max % longest};
    max -= lags[i];
  }
  return {std::numeric_limits<uint64_t>::max(), 0};  // they fit as they are
}

}  // namespace

// Cursors that passed over messages because there were too many: nobody waits for them.
class Backlogs::PassAppend : public store::Append {
 public:
  PassAppend(GroupProgressPtr group, uint32_t topic, std::vector<Excess> passed)
      : group_(std::move(group)), topic_(topic), passed_(std::move(passed)) {
    LeaseRecord record{.group = group_->id, .topic = topic_};
    for (const Excess& e : passed_) record.queues.push_back({e.queue, e.to, {}});
    AddRecord(kLeaseRecord, record.Encode());
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {
    MutexLock lock(&group_->mutex);
    for (const Excess& e : passed_) {
      QueueProgress* queue = group_->Appended({topic_, e.queue});
      if (queue != nullptr) queue->TakeBackFrom(e.from);
    }
  }

 private:
  const GroupProgressPtr group_;
  const uint32_t topic_;
  const std::vector<Excess> passed_;
};

Backlogs::Backlogs(Environment environment) : environment_(environment) {
  environment_.metadata->AddListener({
      .topic_changed = [this](const TopicPtr& topic) { Watch(topic); },
      .topic_deleted = [this](const TopicPtr& topic) { Forget(topic->id); },
  });
}

void Backlogs::Watch(const TopicPtr& topic) {
  if (topic->backlog.max == 0) return Forget(topic->id);
  MutexLock lock(&mutex_);
  const auto [limited, added] = topics_.try_emplace(topic->id);
  limited->second.topic = topic;
  touched_.insert(topic->id);
  if (!added) return;
  limited_ = topics_.size();
  for (GroupProgressPtr& group : environment_.state->All()) {
    MutexLock group_lock(&group->mutex);
    if (group->topics.contains(topic->id)) limited->second.groups.push_back(group);
  }
}

void Backlogs::Forget(uint32_t topic) {
  if (limited_ == 0) return;
  MutexLock lock(&mutex_);
  topics_.erase(topic);
  limited_ = topics_.size();
}

void Backlogs::Joined(uint32_t group, uint32_t topic) {
  if (limited_ == 0) return;
  MutexLock lock(&mutex_);
  const auto limited = topics_.find(topic);
  if (limited == topics_.end()) return;
  std::vector<GroupProgressPtr>& groups = limited->second.groups;
  GroupProgressPtr progress = environment_.state->Find(group);
  if (progress == nullptr) return;
  if (std::find(groups.begin(), groups.end(), progress) == groups.end()) {
    groups.push_back(std::move(progress));
  }
  touched_.insert(topic);
}

void Backlogs::BatchEnd() {
  if (touched_.empty()) return;
  MutexLock lock(&mutex_);
  for (const uint32_t topic : touched_) {
    const auto limited = topics_.find(topic);
    if (limited != topics_.end() && Measure(limited->second)) LookLater();
  }
  touched_.clear();
}

void Backlogs::Clear() {
  MutexLock lock(&mutex_);
  topics_.clear();
  limited_ = 0;
  touched_.clear();
}

void Backlogs::Start() {
  MutexLock lock(&mutex_);
  for (auto& [id, limited] : topics_) {
    if (Measure(limited)) LookLater();
  }
}

std::optional<uint64_t> Backlogs::BacklogOf(GroupProgress& group, const Topic& topic) const {
  MutexLock lock(&group.mutex);
  const auto it = group.topics.find(topic.id);
  if (it == group.topics.end()) return std::nullopt;
  uint64_t backlog = 0;
  for (uint32_t id = 0; id < it->second.queues().size(); ++id) {
    const QueueProgress& queue = it->second.queues()[id];
    const store::QueueRange range = environment_.state->store()->Range({topic.id, id});
    const store::QueueOffset next = std::max(queue.next(), range.min);
    if (!queue.implied() && range.next > next) backlog += range.next - next;
  }
  return backlog;
}

bool Backlogs::Measure(Limited& limited) {
  const Topic& topic = *limited.topic;
  uint64_t slowest = 0;
  std::vector<GroupProgressPtr> here;
  for (GroupProgressPtr& group : limited.groups) {
    const std::optional<uint64_t> backlog = BacklogOf(*group, topic);
    if (!backlog.has_value()) continue;  // the group was deleted
    // Members of broadcast groups have ids of their own.
    if (environment_.metadata->FindGroup(group->id) != nullptr) {
      slowest = std::max(slowest, *backlog);
    }
    here.push_back(std::move(group));
  }
  limited.groups = std::move(here);
  topic.backlog_now.store(slowest, std::memory_order_relaxed);
  return topic.backlog.overflow == Overflow::kRefuse ? slowest >= topic.backlog.max
                                                     : slowest > topic.backlog.max;
}

void Backlogs::LookLater() {
  if (look_set_ || stopped_) return;
  look_set_ = true;
  environment_.timers->ScheduleAfter(kLookMs, [this] { Look(); });
}

void Backlogs::Look() {
  std::vector<std::pair<TopicPtr, GroupProgressPtr>> over;
  {
    MutexLock lock(&mutex_);
    look_set_ = false;
    for (auto& [id, limited] : topics_) {
      if (!Measure(limited)) continue;
      LookLater();
      if (limited.topic->backlog.overflow == Overflow::kRefuse) continue;
      for (const GroupProgressPtr& group : limited.groups) {
        const bool counts = environment_.metadata->FindGroup(group->id) != nullptr;
        if (counts && !limited.moving.contains(group->id)) over.push_back({limited.topic, group});
      }
    }
  }
  for (const auto& [topic, group] : over) {
    if (stopped_) return;
    if (topic->backlog.overflow == Overflow::kDropOldest) {
      Drop(group, *topic);
    } else {
      MoveToDeadLetters(group, topic);
    }
  }
}

std::vector<Backlogs::Excess> Backlogs::ExcessOf(const GroupProgress& group,
                                                 const Topic& topic) const {
  std::vector<Excess> queues;
  std::vector<uint64_t> lags;
  const auto it = group.topics.find(topic.id);
  if (it == group.topics.end()) return queues;
  for (uint32_t id = 0; id < it->second.queues().size(); ++id) {
    const QueueProgress& queue = it->second.queues()[id];
    const store::QueueRange range = environment_.state->store()->Range({topic.id, id});
    const store::QueueOffset next = std::max(queue.next(), range.min);
    if (queue.implied() || queue.passing() || range.next <= next) continue;
    queues.push_back({id, next, range.next});
    lags.push_back(range.next - next);
  }
  // Producers fill queues in turn, so that the oldest messages are in the longest.
  Cut cut = CutOf(std::move(lags), topic.backlog.max);
  for (Excess& e : queues) {
    const uint64_t lag = e.to - e.from;
    if (lag <= cut.level) {
      e.to = e.from;
      continue;
    }
    e.to -= cut.level;
    if (cut.more > 0) --cut.more, --e.to;
  }
  std::erase_if(queues, [](const Excess& e) { return e.from == e.to; });
  return queues;
}

void Backlogs::Drop(const GroupProgressPtr& group, const Topic& topic) {
  MutexLock lock(&group->mutex);
  const std::vector<Excess> excess = ExcessOf(*group, topic);
  if (excess.empty()) return;
  // A refusal shows in the next look.
  const absl::Status submitted =
      environment_.state->store()->Submit(std::make_unique<PassAppend>(group, topic.id, excess));
  if (!submitted.ok()) return;
  for (const Excess& e : excess) group->Queue({topic.id, e.queue})->SkipTo(e.to);
}

void Backlogs::MoveToDeadLetters(const GroupProgressPtr& group, const TopicPtr& topic) {
  std::vector<Excess> excess;
  {
    MutexLock lock(&group->mutex);
    excess = ExcessOf(*group, *topic);
  }
  if (excess.empty()) return;
  const Excess& longest = *std::max_element(
      excess.begin(), excess.end(),
      [](const Excess& a, const Excess& b) { return a.to - a.from < b.to - b.from; });
  {
    MutexLock lock(&mutex_);
    const auto limited = topics_.find(topic->id);
    // Its policy may be another by now.
    if (limited == topics_.end() || limited->second.topic != topic) return;
    if (!limited->second.moving.insert(group->id).second) return;
  }
  const size_t count = std::min<uint64_t>(longest.to - longest.from, kMoved);
  environment_.redelivery->MoveUndelivered(
      {group->id, topic->id, longest.queue}, longest.from, count,
      [this, group, topic](const Redelivery::Outcome& outcome) {
        if (stopped_) return;
        // Not from here, which may be the log thread. What has failed would fail again at once.
        environment_.timers->ScheduleAfter(
            outcome.status.ok() ? 0 : kTryAgainMs, [this, group, topic] {
              Moved(group->id, topic->id);
              if (!stopped_) MoveToDeadLetters(group, topic);
            });
      });
}

void Backlogs::Moved(uint32_t group, uint32_t topic) {
  MutexLock lock(&mutex_);
  const auto limited = topics_.find(topic);
  if (limited != topics_.end()) limited->second.moving.erase(group);
}

}  // namespace mansio::broker
