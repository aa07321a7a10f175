#include "broker/consumption/lease_keeper.h"

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "broker/consumption/durations.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {
// After the store refused an end, try again then.
constexpr int64_t kRetryMs = 1000;
// How many ended leases of a queue are looked at together.
constexpr size_t kBatch = 256;
// A message that was handed out so shortly before its connection was found broken may have gone
// with it: a write that is not confirmed for 20 s is what finds that (common/rpc/server.cc).
constexpr int64_t kConnectionLossMs = 30'000;
// Each look for what may have gone goes through all leases.
constexpr int64_t kLookAtDoubtedMs = 1000;
}  // namespace

// The end of some leases on its way into the log.
class LeaseKeeper::EndAppend : public store::Append {
 public:
  EndAppend(LeaseKeeper* keeper, store::RecordKind kind, std::vector<LeasesEndRecord> records)
      : keeper_(keeper), records_(std::move(records)) {
    for (const LeasesEndRecord& record : records_) AddRecord(kind, record.Encode());
  }
  // Leases that are claimed for a record which is added by itself.
  void AlsoKeep(LeasesEndRecord leases) { records_.push_back(std::move(leases)); }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {
    for (const LeasesEndRecord& record : records_) keeper_->KeepLeases(record);
  }

 private:
  LeaseKeeper* const keeper_;
  std::vector<LeasesEndRecord> records_;
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
  last_life_ended_ = environment_.state->last_applied();
  owner_grace_ms_ = absl::ToInt64Milliseconds(owner_grace);
  MutexLock lock(&mutex_);
  running_ = true;
  Arm();
  grace_timer_ = environment_.timers->ScheduleAfter(owner_grace_ms_, [this] { EndAbsent(); });
}

void LeaseKeeper::Stop() {
  TimerQueue::Id timer, grace, doubt;
  {
    MutexLock lock(&mutex_);
    if (!running_) return;
    running_ = false;
    timer = timer_;
    grace = grace_timer_;
    doubt = doubt_timer_;
  }
  environment_.timers->Cancel(timer);
  environment_.timers->Cancel(grace);
  environment_.timers->Cancel(doubt);
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
  for (const ProgressKey& key : due) EndDue(key, now);
  MutexLock lock(&mutex_);
  Arm();
}

void LeaseKeeper::EndDue(const ProgressKey& key, int64_t now) {
  const GroupProgressPtr group = environment_.state->Find(key.group);
  const GroupPtr record = environment_.members->GroupOf(key.group);
  if (group == nullptr || record == nullptr) return;
  {
    MutexLock lock(&mutex_);
    // One move at a time; when it is done, it looks again.
    if (!moving_.insert(key).second) return;
  }
  std::vector<QueueProgress::Ended> ended;
  int64_t next = QueueProgress::kNever;
  bool refused = false;
  {
    MutexLock lock(&group->mutex);
    if (QueueProgress* progress = group->Queue({key.topic, key.queue})) {
      ended = progress->EndedBy(now, kBatch);
      if (progress->fifo()) refused = !EndBatches(key, *record, *progress, ended);
      if (ended.empty()) {
        progress->RecomputeEarliestDeadline();
        next = progress->earliest_deadline();
      }
    }
  }
  if (!ended.empty()) {
    const auto cause = record->fifo ? Redelivery::Cause::kUsedUp : Redelivery::Cause::kEnded;
    environment_.redelivery->Move(
        key, std::move(ended), cause,
        [this, key](const Redelivery::Outcome& outcome) { Moved(key, outcome); });
    return;
  }
  if (refused) return LookLater(key);
  {
    MutexLock lock(&mutex_);
    moving_.erase(key);
  }
  if (next != QueueProgress::kNever) Note(key, next);
}

void LeaseKeeper::Moved(const ProgressKey& key, const Redelivery::Outcome& outcome) {
  if (!outcome.unreadable.empty()) PutAside(key, outcome.unreadable);
  if (!outcome.status.ok() && outcome.unreadable.empty()) return LookLater(key);
  {
    MutexLock lock(&mutex_);
    moving_.erase(key);
  }
  Note(key, 0);
}

void LeaseKeeper::PutAside(const ProgressKey& key,
                           const std::vector<store::QueueOffset>& unreadable) {
  const GroupProgressPtr group = environment_.state->Find(key.group);
  if (group == nullptr) return;
  std::map<int64_t, std::vector<store::QueueOffset>> by_wait;
  {
    MutexLock lock(&group->mutex);
    QueueProgress* progress = group->Queue({key.topic, key.queue});
    if (progress == nullptr) return;
    for (const store::QueueOffset offset : unreadable) {
      by_wait[ReadAgainMs(progress->CountFailedRead(offset))].push_back(offset);
      progress->SetAside(offset, true);
    }
  }
  for (auto& [wait, offsets] : by_wait) {
    environment_.timers->ScheduleAfter(
        wait, [this, key, offsets = std::move(offsets)] { TakeUp(key, offsets); });
  }
}

void LeaseKeeper::TakeUp(const ProgressKey& key, const std::vector<store::QueueOffset>& offsets) {
  const GroupProgressPtr group = environment_.state->Find(key.group);
  if (group == nullptr) return;
  {
    MutexLock lock(&group->mutex);
    QueueProgress* progress = group->Queue({key.topic, key.queue});
    if (progress == nullptr) return;
    for (const store::QueueOffset offset : offsets) progress->SetAside(offset, false);
  }
  Note(key, 0);
}

void LeaseKeeper::LookLater(const ProgressKey& key) {
  environment_.timers->ScheduleAfter(kRetryMs, [this, key] {
    {
      MutexLock lock(&mutex_);
      moving_.erase(key);
    }
    Note(key, 0);
  });
}

bool LeaseKeeper::EndBatches(const ProgressKey& key, const GroupRecord& group,
                             QueueProgress& progress, std::vector<QueueProgress::Ended>& heads) {
  const int64_t now = environment_.time->NowMillis();
  // One that came behind a poisoned message has not had its turn yet: it comes again as the first.
  const auto dead =
      std::stable_partition(heads.begin(), heads.end(), [&group](const QueueProgress::Ended& head) {
        return head.lease.attempt < group.max_attempts || !head.led;
      });
  QueueOffsets returning{key.queue, 0, {}};
  QueueOffsets backing_off{key.queue, 0, {}};
  std::vector<LeaseChangedRecord> changes;
  for (auto head = heads.begin(); head != dead; ++head) {
    if (head->lease.auto_renew && !head->abandoned) {
      // Renewed for as long as that is possible: nobody has named a time.
      const absl::Duration wait = group.backoff.After(head->lease.attempt);
      changes.push_back({key.group, key.topic, key.queue, head->offset,
                         now + absl::ToInt64Milliseconds(wait), head->lease.attempt});
      progress.ClaimEnd(head->offset);
      backing_off.offsets.push_back(head->offset);
      continue;
    }
    const auto batch = progress.ClaimReturn(head->offset);
    returning.offsets.insert(returning.offsets.end(), batch.begin(), batch.end());
  }
  heads.erase(heads.begin(), dead);
  std::sort(returning.offsets.begin(), returning.offsets.end());
  std::vector<LeasesEndRecord> ends;
  if (!returning.offsets.empty()) ends.push_back({key.group, key.topic, true, {returning}});
  auto append = std::make_unique<EndAppend>(this, kLeaseEndedRecord, std::move(ends));
  for (const LeaseChangedRecord& change : changes) {
    append->AddRecord(kLeaseChangedRecord, change.Encode());
  }
  append->AlsoKeep({key.group, key.topic, true, {backing_off}});
  if (append->empty() || environment_.state->store()->Submit(std::move(append)).ok()) return true;
  for (const QueueOffsets& claimed : {returning, backing_off}) {
    for (const store::QueueOffset offset : claimed.offsets) progress.UnclaimEnd(offset);
  }
  return false;
}

// A message that its client has given another time is not in its hands any more: the time is the
// back-off, and holds although the client goes.
void LeaseKeeper::EndLeasesOf(uint64_t owner) {
  Abandon([owner](const Lease& lease) { return lease.owner == owner && !lease.changed; });
}

void LeaseKeeper::EndAbsent() {
  Abandon([this](const Lease& lease) {
    return !lease.changed && (IsInDoubt(lease) || !environment_.clients->IsAlive(lease.owner));
  });
}

// The last life may have ended before it found that a connection was broken, or before that had
// waited for its time.
bool LeaseKeeper::IsInDoubt(const Lease& lease) const {
  return last_life_ended_ != 0 && lease.auto_renew &&
         lease.id.epoch < environment_.state->store()->epoch() &&
         lease.delivered_ms >= last_life_ended_ - kConnectionLossMs - owner_grace_ms_;
}

void LeaseKeeper::Doubt(uint64_t owner) {
  const int64_t now = environment_.time->NowMillis();
  MutexLock lock(&mutex_);
  if (!running_) return;  // EndAbsent will look
  const auto [it, added] = doubted_.try_emplace(owner);
  Doubted& doubted = it->second;
  if (added) doubted.from_ms = now - kConnectionLossMs;
  doubted.to_ms = now;
  // A client whose connections break all the time is not waited for again and again.
  const int64_t last = doubted.from_ms + kConnectionLossMs + owner_grace_ms_;
  doubted.ends_ms = std::min(now, last) + owner_grace_ms_;
  if (!std::exchange(doubt_armed_, true)) ArmForDoubted(now);
}

void LeaseKeeper::ArmForDoubted(int64_t now) {
  int64_t next = std::numeric_limits<int64_t>::max();
  for (const auto& [owner, doubted] : doubted_) next = std::min(next, doubted.ends_ms);
  const int64_t wait = std::max(next - now, kLookAtDoubtedMs);
  doubt_timer_ = environment_.timers->ScheduleAfter(wait, [this] { EndDoubted(); });
}

void LeaseKeeper::EndDoubted() {
  const int64_t now = environment_.time->NowMillis();
  absl::flat_hash_map<uint64_t, Doubted> due;
  {
    MutexLock lock(&mutex_);
    if (!running_) return;
    absl::erase_if(doubted_, [now, &due](const auto& entry) {
      return entry.second.ends_ms <= now && due.insert(entry).second;
    });
  }
  if (!due.empty()) {
    Abandon([&due](const Lease& lease) {
      const auto it = due.find(lease.owner);
      return it != due.end() && lease.auto_renew && !lease.changed &&
             lease.delivered_ms >= it->second.from_ms && lease.delivered_ms <= it->second.to_ms;
    });
  }
  MutexLock lock(&mutex_);
  doubt_armed_ = running_ && !doubted_.empty();
  if (doubt_armed_) ArmForDoubted(now);
}

void LeaseKeeper::Abandon(absl::FunctionRef<bool(const Lease&)> whose) {
  for (const GroupProgressPtr& group : environment_.state->All()) {
    std::vector<ProgressKey> keys;
    {
      MutexLock lock(&group->mutex);
      for (auto& [topic, progress] : group->topics) {
        for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
          if (progress.queues()[queue].Abandon(whose)) keys.push_back({group->id, topic, queue});
        }
      }
    }
    for (const ProgressKey& key : keys) Note(key, 0);
  }
}

void LeaseKeeper::GiveBack(uint32_t group, const std::vector<TakenMessage>& messages) {
  EndTaken(group, messages, kLeaseEndedRecord);
}

void LeaseKeeper::Discard(uint32_t group, const std::vector<TakenMessage>& messages) {
  EndTaken(group, messages, kAckRecord);
}

void LeaseKeeper::EndTaken(uint32_t group_id, const std::vector<TakenMessage>& messages,
                           store::RecordKind kind) {
  const GroupProgressPtr group = environment_.state->Find(group_id);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  EndsByQueue ends;
  for (const TakenMessage& message : messages) {
    // The lease may have ended meanwhile, and the message be another's.
    QueueProgress* progress = group->Queue(message.queue);
    if (progress == nullptr || progress->Find(message.offset, message.lease) == nullptr) continue;
    if (kind == kAckRecord) {
      progress->ClaimEnd(message.offset);
      ends[message.queue].insert(message.offset);
    } else if (const auto batch = progress->ClaimReturn(message.offset); !batch.empty()) {
      ends[message.queue].insert(batch.begin(), batch.end());
    }
  }
  if (ends.empty()) return;
  auto append =
      std::make_unique<EndAppend>(this, kind, EndRecords(group_id, kind == kAckRecord, ends));
  if (environment_.state->store()->Submit(std::move(append)).ok()) return;
  // They lapse by their deadline instead.
  for (const auto& [queue, offsets] : ends) {
    for (const store::QueueOffset offset : offsets) group->Queue(queue)->UnclaimEnd(offset);
  }
}

void LeaseKeeper::KeepLeases(const LeasesEndRecord& record) {
  const GroupProgressPtr group = environment_.state->Find(record.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = group->Appended({record.topic, q.queue});
    if (progress == nullptr) continue;
    for (const store::QueueOffset offset : q.offsets) progress->UnclaimEnd(offset);
    const ProgressKey key{record.group, record.topic, q.queue};
    environment_.timers->ScheduleAfter(kRetryMs, [this, key] { Note(key, 0); });
  }
}

}  // namespace mansio::broker
