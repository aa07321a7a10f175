#include "broker/consumption/consumption_state.h"

#include <utility>

#include "absl/container/btree_set.h"
#include "absl/status/status.h"
#include "broker/consumption/broadcast_members.h"
#include "broker/core/codec.h"

namespace mansio::broker {

namespace {

std::string EncodeKey(const ProgressKey& key) {
  return ByteWriter().U8('C').Key32(key.group).Key32(key.topic).Key32(key.queue).Take();
}

// The topic that a receive asks for to get what is in a queue.
uint32_t OriginOf(const GroupProgress& group, store::QueueKey queue)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex) {
  if (queue.topic != group.retry_topic) return queue.topic;
  for (const auto& [origin, id] : group.retry_queues) {
    if (id == queue.queue) return origin;
  }
  return queue.topic;
}

}  // namespace

ConsumptionState::ConsumptionState(Metadata* metadata, const BroadcastMembers* members)
    : metadata_(metadata), members_(members) {
  metadata->AddListener({
      .topic_changed = [this](const TopicPtr& topic) { FollowRetryTopic(*topic); },
      .topic_deleted = [this](const TopicPtr& topic) { ForgetTopic(*topic); },
      .group_deleted = [this](const GroupPtr& group) { ForgetGroup(group->id); },
  });
}

GroupProgressPtr ConsumptionState::Find(uint32_t group) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : it->second;
}

GroupProgressPtr ConsumptionState::FindOrCreate(uint32_t group) {
  if (GroupProgressPtr found = Find(group)) return found;
  MutexLock lock(&mutex_);
  GroupProgressPtr& slot = groups_[group];
  if (slot == nullptr) slot = std::make_shared<GroupProgress>(group);
  return slot;
}

std::vector<GroupProgressPtr> ConsumptionState::All() const {
  ReaderMutexLock lock(&mutex_);
  std::vector<GroupProgressPtr> all;
  all.reserve(groups_.size());
  for (const auto& [id, group] : groups_) all.push_back(group);
  return all;
}

std::vector<store::RecordKind> ConsumptionState::Kinds() const {
  return {store::kMessageRecord, kPositionRecord,   kLeaseRecord,   kAckRecord,
          kLeaseChangedRecord,   kLeaseEndedRecord, kRetriedRecord, kDeadLetterRecord,
          kPositionMovedRecord};
}

void ConsumptionState::Apply(const store::RecordView& record) {
  last_applied_.store(record.store_time, std::memory_order_relaxed);
  switch (record.kind) {
    case store::kMessageRecord:
      ApplyMessage(record.message->queue);
      break;
    case kPositionRecord:
      if (auto r = PositionRecord::Decode(record.body); r.ok()) ApplyPosition(*r);
      break;
    case kPositionMovedRecord:
      if (auto r = PositionMovedRecord::Decode(record.body); r.ok()) ApplyMoved(*r);
      break;
    case kLeaseRecord:
      if (auto r = LeaseRecord::Decode(record.body); r.ok()) {
        ApplyLease(*r, record.position, record.store_time);
      }
      break;
    case kLeaseChangedRecord:
      if (auto r = LeaseChangedRecord::Decode(record.body); r.ok()) {
        ApplyChanged(*r, record.position);
      }
      break;
    case kAckRecord:
    case kLeaseEndedRecord:
    case kRetriedRecord:
    case kDeadLetterRecord:
      if (auto r = LeasesEndRecord::Decode(record.body); r.ok()) {
        ApplyEnd(*r, record.kind);
      }
      break;
  }
}

void ConsumptionState::BatchEnd() {
  for (const auto& [topic, added] : added_) {
    if (hooks_.messages_added) hooks_.messages_added(topic, added.count);
  }
  added_.clear();
  for (const auto& [group_and_topic, count] : returned_) {
    const auto [group, topic] = group_and_topic;
    if (hooks_.messages_returned) hooks_.messages_returned(group, topic, count);
  }
  returned_.clear();
  if (hooks_.batch_end) hooks_.batch_end();
}

void ConsumptionState::ApplyMessage(store::QueueKey queue) {
  const auto [it, first] = added_.try_emplace(queue.topic);
  Added& added = it->second;
  ++added.count;
  if (first) {
    TopicPtr topic = metadata_->FindTopic(queue.topic);
    if (topic != nullptr && topic->kind == TopicKind::kRetry) added.retry = std::move(topic);
  }
  if (added.retry == nullptr) return;
  // Its queues may have become more in the middle of a batch.
  if (queue.queue >= added.retry->origins.size()) added.retry = metadata_->FindTopic(queue.topic);
  if (added.retry == nullptr || queue.queue >= added.retry->origins.size()) return;
  ++returned_[{added.retry->group, added.retry->origins[queue.queue]}];
}

void ConsumptionState::ApplyPosition(const PositionRecord& record) {
  // One that overtook the deletion of its group or topic would stay for ever.
  if (members_->GroupOf(record.group) == nullptr) return ForgetGroup(record.group);
  if (metadata_->FindTopic(record.topic) == nullptr) return;
  const GroupProgressPtr group = FindOrCreate(record.group);
  {
    MutexLock lock(&group->mutex);
    TopicProgress& topic = group->topics[record.topic];
    if (topic.fixed()) return;
    for (uint32_t id = 0; id < record.cursors.size(); ++id) {
      topic.queues().emplace_back(record.cursors[id], record.fifo, record.implied);
      dirty_.insert({record.group, record.topic, id});
    }
  }
  if (hooks_.joined) hooks_.joined(record.group, record.topic);
}

void ConsumptionState::NoteMove(uint32_t topic) {
  if (hooks_.moved) hooks_.moved(topic);
}

void ConsumptionState::AddLeases(GroupProgress& group, size_t count) {
  group.leases += count;
  leases_ += count;
}

void ConsumptionState::RemoveLeases(GroupProgress& group, size_t count) {
  group.leases -= count;
  leases_ -= count;
}

void ConsumptionState::ApplyMoved(const PositionMovedRecord& record) {
  const GroupProgressPtr group = Find(record.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  const auto topic = group->topics.find(record.topic);
  if (topic == group->topics.end()) return;
  for (const QueueCursor& q : record.queues) {
    const QueueProgress* ended = topic->second.applied(q.queue);
    if (ended == nullptr) continue;
    RemoveLeases(*group, ended->applied_outstanding());
    topic->second.ApplyMove(q.queue, q.cursor);
    dirty_.insert({record.group, record.topic, q.queue});
    NoteMove(record.topic);
    const store::QueueOffset next = store_->Range({record.topic, q.queue}).next;
    if (next > q.cursor) {
      returned_[{record.group, OriginOf(*group, {record.topic, q.queue})}] += next - q.cursor;
    }
  }
}

void ConsumptionState::ApplyLease(const LeaseRecord& record, store::LogPosition id,
                                  store::StoreTime time) {
  const GroupProgressPtr group = Find(record.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  const auto topic = group->topics.find(record.topic);
  if (topic == group->topics.end()) return;
  const Lease lease{id,   record.deadline_ms, record.owner, 1, record.auto_renew, time,
                    time, record.attempt_id};
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = topic->second.applied(q.queue);
    if (progress == nullptr) continue;
    const size_t before = progress->applied_outstanding();
    bool abandoned = false;
    for (const auto& [offset, message_group] : q.passed) progress->ApplyWait(offset, message_group);
    for (const store::QueueOffset offset : q.offsets) {
      abandoned |= progress->ApplyLease(offset, lease);
    }
    progress->ApplyCursor(q.cursor);
    AddLeases(*group, progress->applied_outstanding() - before);
    NoteMove(record.topic);
    const ProgressKey key{record.group, record.topic, q.queue};
    dirty_.insert(key);
    if (hooks_.lease_until && !q.offsets.empty()) {
      hooks_.lease_until(key, abandoned ? 0 : record.deadline_ms);
    }
  }
}

void ConsumptionState::ApplyChanged(const LeaseChangedRecord& record, store::LogPosition id) {
  const GroupProgressPtr group = Find(record.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  const auto topic = group->topics.find(record.topic);
  if (topic == group->topics.end()) return;
  QueueProgress* progress = topic->second.applied(record.queue);
  if (progress == nullptr) return;
  const bool abandoned =
      progress->ApplyChange(record.offset, id, record.deadline_ms, record.attempts);
  const ProgressKey key{record.group, record.topic, record.queue};
  dirty_.insert(key);
  if (hooks_.lease_until) hooks_.lease_until(key, abandoned ? 0 : record.deadline_ms);
  if (progress->fifo()) NoteDeadline(key, *progress);  // that of the head counts
}

void ConsumptionState::ApplyEnd(const LeasesEndRecord& record, store::RecordKind kind) {
  const GroupProgressPtr group = Find(record.group);
  if (group == nullptr) return;
  MutexLock lock(&group->mutex);
  for (const QueueOffsets& q : record.queues) {
    QueueProgress* progress = group->Applied({record.topic, q.queue});
    if (progress == nullptr) continue;
    const size_t before = progress->applied_outstanding();
    size_t freed = 0;  // of what is retried, the copies count
    for (const store::QueueOffset offset : q.offsets) {
      if (kind == kLeaseEndedRecord) {
        freed += progress->ApplyEnd(offset, record.counted);
      } else if (kind == kAckRecord) {
        freed += progress->ApplyAck(offset);
      } else {
        freed += progress->ApplyMoved(offset);
      }
    }
    RemoveLeases(*group, before - progress->applied_outstanding());
    const ProgressKey key{record.group, record.topic, q.queue};
    dirty_.insert(key);
    if (progress->fifo()) NoteDeadline(key, *progress);  // the batch may have a new head
    if (freed > 0) returned_[{record.group, OriginOf(*group, {record.topic, q.queue})}] += freed;
  }
}

void ConsumptionState::NoteDeadline(const ProgressKey& key, const QueueProgress& progress) {
  const int64_t deadline = progress.earliest_deadline();
  if (hooks_.lease_until && deadline != QueueProgress::kNever) hooks_.lease_until(key, deadline);
}

void ConsumptionState::FollowRetryTopic(const Topic& topic) {
  if (topic.kind != TopicKind::kRetry) return;
  const GroupProgressPtr group = FindOrCreate(topic.group);
  MutexLock lock(&group->mutex);
  group->retry_topic = topic.id;
  std::vector<QueueProgress>& queues = group->topics[topic.id].queues();
  for (uint32_t queue = 0; queue < topic.origins.size(); ++queue) {
    group->retry_queues[topic.origins[queue]] = queue;
    if (queue < queues.size()) continue;
    queues.emplace_back(0);  // a retry queue is read from its beginning
    dirty_.insert({topic.group, topic.id, queue});
  }
}

void ConsumptionState::ForgetTopic(const Topic& topic) {
  for (const GroupProgressPtr& group : All()) {
    MutexLock lock(&group->mutex);
    // What is to be retried of it will not be delivered either.
    if (const auto retry = group->RetryOf(topic.id)) {
      QueueProgress* applied = group->Applied(retry->key);
      RemoveLeases(*group, applied->applied_outstanding());
      applied->ForgetLeases();
      retry->progress->ForgetLeases();
      dirty_.insert({group->id, retry->key.topic, retry->key.queue});
      group->retry_queues.erase(topic.id);
    }
    if (topic.kind == TopicKind::kRetry && group->id == topic.group) group->retry_queues.clear();
    const auto it = group->topics.find(topic.id);
    if (it == group->topics.end()) continue;
    for (uint32_t id = 0; id < it->second.queues().size(); ++id) {
      RemoveLeases(*group, it->second.applied(id)->applied_outstanding());
      dirty_.insert({group->id, topic.id, id});
    }
    group->topics.erase(it);
  }
}

void ConsumptionState::ForgetGroup(uint32_t id) {
  const GroupProgressPtr group = Find(id);
  if (group == nullptr) return;
  {
    MutexLock lock(&group->mutex);
    for (auto& [topic, progress] : group->topics) {
      NoteMove(topic);
      for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
        RemoveLeases(*group, progress.applied(queue)->applied_outstanding());
        dirty_.insert({id, topic, queue});
      }
    }
    group->topics.clear();
  }
  MutexLock lock(&mutex_);
  groups_.erase(id);
}

void ConsumptionState::Capture(const ProgressKey& key, store::StateSink& sink) {
  if (const GroupProgressPtr group = Find(key.group)) {
    MutexLock lock(&group->mutex);
    const auto topic = group->topics.find(key.topic);
    QueueProgress* progress =
        topic == group->topics.end() ? nullptr : topic->second.applied(key.queue);
    if (progress != nullptr) return sink.Put(EncodeKey(key), progress->Encode());
  }
  sink.Delete(EncodeKey(key));
}

void ConsumptionState::CaptureDirty(store::StateSink& sink) {
  for (const ProgressKey& key : dirty_) Capture(key, sink);
  dirty_.clear();
}

void ConsumptionState::CaptureAll(store::StateSink& sink) {
  for (const GroupProgressPtr& group : All()) {
    MutexLock lock(&group->mutex);
    for (auto& [topic, progress] : group->topics) {
      for (uint32_t queue = 0; queue < progress.queues().size(); ++queue) {
        sink.Put(EncodeKey({group->id, topic, queue}), progress.applied(queue)->Encode());
      }
    }
  }
}

absl::Status ConsumptionState::Restore(std::string_view key_bytes, std::string_view value) {
  ByteReader r(key_bytes.substr(1));
  ProgressKey key;
  key.group = r.Key32();
  key.topic = r.Key32();
  key.queue = r.Key32();
  absl::StatusOr<QueueProgress> progress = QueueProgress::Decode(value);
  if (!r.ok() || !r.AtEnd()) return absl::DataLossError("a consumption key cannot be decoded");
  if (!progress.ok()) return progress.status();
  const int64_t deadline = progress->earliest_deadline();
  const GroupProgressPtr group = FindOrCreate(key.group);
  {
    MutexLock lock(&group->mutex);
    AddLeases(*group, progress->applied_outstanding());
    std::vector<QueueProgress>& queues = group->topics[key.topic].queues();
    // Keys come in order of queues, so that each is the next one; or one of a retry topic that the
    // topic's own key has made already.
    if (key.queue < queues.size()) {
      queues[key.queue] = *std::move(progress);
    } else if (key.queue == queues.size()) {
      queues.push_back(*std::move(progress));
    } else {
      return absl::DataLossError("the checkpoint misses a queue of a group's position");
    }
  }
  if (hooks_.joined) hooks_.joined(key.group, key.topic);
  if (hooks_.lease_until && deadline != QueueProgress::kNever) hooks_.lease_until(key, deadline);
  return absl::OkStatus();
}

std::vector<store::LiveMessage> ConsumptionState::LiveMessages(store::QueueKey queue,
                                                               store::QueueOffset from,
                                                               store::QueueOffset to,
                                                               size_t max) const {
  absl::btree_set<store::QueueOffset> live;
  for (const GroupProgressPtr& group : All()) {
    MutexLock lock(&group->mutex);
    const auto topic = group->topics.find(queue.topic);
    if (topic == group->topics.end()) continue;
    const QueueProgress* progress = topic->second.queue(queue.queue);
    if (progress == nullptr) continue;
    const auto leased = progress->Outstanding(from, to, max);
    live.insert(leased.begin(), leased.end());
  }
  std::vector<store::LiveMessage> first;
  for (const store::QueueOffset offset : live) {
    if (first.size() == max) break;
    first.push_back({offset});
  }
  return first;
}

void ConsumptionState::Clear() {
  {
    MutexLock lock(&mutex_);
    groups_.clear();
  }
  leases_ = 0;
  dirty_.clear();
  added_.clear();
  returned_.clear();
  if (hooks_.cleared) hooks_.cleared();
}

}  // namespace mansio::broker
