#include "broker/consumption/lease_keeper.h"

#include <algorithm>
#include <vector>

#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {
// After the store refused an end, try again then.
constexpr int64_t kRetryMs = 1000;
}  // namespace

// The end of some leases of one queue on its way into the log.
class LeaseKeeper::EndAppend : public store::Append {
 public:
  EndAppend(LeaseKeeper* keeper, LeasesEndRecord record)
      : keeper_(keeper), record_(std::move(record)) {
    AddRecord(kLeaseEndedRecord, record_.Encode());
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override { keeper_->KeepLeases(record_); }

 private:
  LeaseKeeper* const keeper_;
  const LeasesEndRecord record_;
};

LeaseKeeper::LeaseKeeper(Environment environment) : environment_(environment) {}

LeaseKeeper::~LeaseKeeper() { Stop(); }

void LeaseKeeper::Note(const ProgressKey& key, int64_t deadline_ms) {
  MutexLock lock(&mutex_);
  const auto [it, added] = noted_.try_emplace(key, deadline_ms);
  if (!added) {
    if (it->second <= deadline_ms) return;
    by_time_.erase({it->second, key});
    it->second = deadline_ms;
  }
  by_time_.insert({deadline_ms, key});
  Arm();
}

void LeaseKeeper::Start(absl::Duration owner_grace) {
  MutexLock lock(&mutex_);
  running_ = true;
  Arm();
  grace_timer_ = environment_.timers->Schedule(
      environment_.time->NowMillis() + absl::ToInt64Milliseconds(owner_grace),
      [this] { EndAbsent(); });
}

void LeaseKeeper::Stop() {
  TimerQueue::Id timer, grace;
  {
    MutexLock lock(&mutex_);
    if (!running_) return;
    running_ = false;
    timer = timer_;
    grace = grace_timer_;
  }
  environment_.timers->Cancel(timer);
  environment_.timers->Cancel(grace);
}

void LeaseKeeper::Arm() {
  if (!running_ || by_time_.empty() || by_time_.begin()->first >= armed_for_) return;
  if (armed_for_ != QueueProgress::kNever) environment_.timers->Cancel(timer_);
  armed_for_ = by_time_.begin()->first;
  timer_ = environment_.timers->Schedule(armed_for_, [this] { Fire(); });
}

void LeaseKeeper::Fire() {
  const int64_t now = environment_.time->NowMillis();
  std::vector<ProgressKey> due;
  {
    MutexLock lock(&mutex_);
    if (!running_) return;
    armed_for_ = QueueProgress::kNever;
    while (!by_time_.empty() && by_time_.begin()->first <= now) {
      due.push_back(by_time_.begin()->second);
      noted_.erase(due.back());
      by_time_.erase(by_time_.begin());
    }
  }
  for (const ProgressKey& key : due) {
    EndWhere(key, [now](const Lease& lease) { return lease.deadline_ms <= now; });
  }
  MutexLock lock(&mutex_);
  Arm();
}

void LeaseKeeper::EndLeasesOf(uint64_t owner) {
  EndEverywhere([owner](const Lease& lease) { return lease.owner == owner; });
}

void LeaseKeeper::EndAbsent() {
  EndEverywhere([this](const Lease& lease) { return !environment_.clients->IsAlive(lease.owner); });
}

void LeaseKeeper::EndEverywhere(absl::FunctionRef<bool(const Lease&)> ended) {
  for (const GroupProgressPtr& group : environment_.state->All()) {
    std::vector<ProgressKey> keys;
    {
      MutexLock lock(&group->mutex);
      for (const auto& [topic, progress] : group->topics) {
        for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
          if (progress.queues()[queue].outstanding() > 0) keys.push_back({group->id, topic, queue});
        }
      }
    }
    for (const ProgressKey& key : keys) EndWhere(key, ended);
  }
}

void LeaseKeeper::EndWhere(const ProgressKey& key, absl::FunctionRef<bool(const Lease&)> ended) {
  const GroupProgressPtr group = environment_.state->Find(key.group);
  if (group == nullptr) return;
  int64_t next = QueueProgress::kNever;
  {
    MutexLock lock(&group->mutex);
    const auto topic = group->topics.find(key.topic);
    QueueProgress* progress =
        topic == group->topics.end() ? nullptr : topic->second.queue(key.queue);
    if (progress == nullptr) return;
    LeasesEndRecord record{key.group, key.topic, true, {}};
    record.queues.push_back({key.queue, 0, progress->ClaimEnds(ended)});
    const std::vector<store::QueueOffset>& offsets = record.queues[0].offsets;
    if (!offsets.empty()) {
      auto append = std::make_unique<EndAppend>(this, record);
      if (!environment_.state->store()->Submit(std::move(append)).ok()) {
        for (const store::QueueOffset offset : offsets) progress->UnclaimEnd(offset);
        next = environment_.time->NowMillis() + kRetryMs;
      }
    }
    progress->RecomputeEarliestDeadline();
    if (next == QueueProgress::kNever) next = progress->earliest_deadline();
  }
  if (next != QueueProgress::kNever) Note(key, next);
}

void LeaseKeeper::GiveBack(LeasesEndRecord record) {
  const GroupProgressPtr group = environment_.state->Find(record.group);
  if (group == nullptr) return;
  record.counted = false;
  MutexLock lock(&group->mutex);
  const auto topic = group->topics.find(record.topic);
  if (topic == group->topics.end()) return;
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = topic->second.queue(q.queue);
    if (progress == nullptr) continue;
    for (const store::QueueOffset offset : q.offsets) progress->ClaimEnd(offset);
  }
  auto append = std::make_unique<EndAppend>(this, record);
  if (environment_.state->store()->Submit(std::move(append)).ok()) return;
  // They lapse by their deadline instead.
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = topic->second.queue(q.queue);
    if (progress == nullptr) continue;
    for (const store::QueueOffset offset : q.offsets) progress->UnclaimEnd(offset);
  }
}

void LeaseKeeper::KeepLeases(const LeasesEndRecord& record) {
  const GroupProgressPtr group = environment_.state->Find(record.group);
  if (group == nullptr) return;
  const int64_t soonest = environment_.time->NowMillis() + kRetryMs;
  MutexLock lock(&group->mutex);
  const auto topic = group->topics.find(record.topic);
  if (topic == group->topics.end()) return;
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = topic->second.queue(q.queue);
    if (progress == nullptr) continue;
    for (const store::QueueOffset offset : q.offsets) progress->UnclaimEnd(offset);
    Note({record.group, record.topic, q.queue}, std::max(progress->earliest_deadline(), soonest));
  }
}

}  // namespace mansio::broker
