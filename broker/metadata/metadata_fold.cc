// How the topic and group tables follow from the log, and how they go into a checkpoint and back.

#include <utility>

#include "absl/status/status.h"
#include "broker/core/codec.h"
#include "broker/metadata/metadata.h"
#include "common/names/names.h"

namespace mansio::broker {
namespace {

// Second byte of a checkpoint key, behind the prefix 'M'.
constexpr char kTopicKey = 't';
constexpr char kGroupKey = 'g';
constexpr char kHandleKey = 'k';
constexpr char kNextIdsKey = 'n';

std::string KeyOf(char table) { return ByteWriter().U8('M').U8(table).Take(); }
std::string KeyOf(char table, uint32_t id) {
  return ByteWriter().U8('M').U8(table).Key32(id).Take();
}

}  // namespace

std::vector<store::RecordKind> Metadata::Kinds() const {
  return {kTopicRecord,        kTopicDeletedRecord, kGroupRecord,
          kGroupDeletedRecord, kHandleKeyRecord,    kGroupPausedRecord};
}

void Metadata::Apply(const store::RecordView& record) {
  ByteReader reader(record.body);
  switch (record.kind) {
    case kTopicRecord:
      if (auto topic = TopicRecord::Decode(record.body); topic.ok()) {
        // One that overtook the deletion of its group would stay for ever.
        const bool of_group =
            topic->kind == TopicKind::kRetry || topic->kind == TopicKind::kDeadLetter;
        const bool orphan = of_group && FindGroup(topic->group) == nullptr;
        if (!orphan) ApplyTopic(*std::move(topic));
      }
      break;
    case kTopicDeletedRecord:
      ApplyTopicDeleted(reader.Varint32());
      break;
    case kGroupRecord:
      if (auto group = GroupRecord::Decode(record.body); group.ok()) ApplyGroup(*std::move(group));
      break;
    case kGroupDeletedRecord:
      ApplyGroupDeleted(reader.Varint32());
      break;
    case kGroupPausedRecord:
      if (auto r = GroupPausedRecord::Decode(record.body); r.ok()) {
        if (const GroupPtr group = FindGroup(r->id)) {
          GroupRecord changed = *group;
          changed.paused = r->paused;
          ApplyGroup(std::move(changed));
        }
      }
      break;
    case kHandleKeyRecord: {
      MutexLock lock(&mutex_);
      handle_key_ = {reader.Fixed64(), reader.Fixed64()};
      dirty_key_ = true;
      break;
    }
  }
}

void Metadata::ApplyTopic(TopicRecord record) {
  auto made = std::make_shared<Topic>(std::move(record));
  const TopicPtr topic = made;
  {
    MutexLock lock(&mutex_);
    const TopicPtr before = topics_.Find(topic->name);
    if (before != nullptr && before->id == topic->id) {
      made->counters = before->counters;
      made->finished = before->IsFinished();
    }
    if (before == nullptr && topic->kind == TopicKind::kUser) ++user_topics_;
    if (before != nullptr && before->draining) --draining_topics_;
    if (topic->draining) ++draining_topics_;
    topics_.Put(topic);
  }
  dirty_topics_.insert(topic->id);
  store_->DefineTopic(topic->id, topic->queues);
  for (const Listener& l : listeners_) {
    if (l.topic_changed) l.topic_changed(topic);
  }
}

void Metadata::ApplyTopicDeleted(uint32_t id) {
  const TopicPtr topic = FindTopic(id);
  if (topic == nullptr) return;
  {
    MutexLock lock(&mutex_);
    topics_.Erase(topic);
    if (topic->kind == TopicKind::kUser) --user_topics_;
    if (topic->draining) --draining_topics_;
  }
  dirty_topics_.insert(id);
  store_->DropTopic(id);
  for (const Listener& l : listeners_) {
    if (l.topic_deleted) l.topic_deleted(topic);
  }
}

void Metadata::ApplyGroup(GroupRecord record) {
  const GroupPtr group = std::make_shared<const GroupRecord>(std::move(record));
  bool resumed = false;
  {
    MutexLock lock(&mutex_);
    const GroupPtr before = groups_.Find(group->name);
    if (before != nullptr && before->paused) --paused_groups_;
    if (group->paused) ++paused_groups_;
    resumed = before != nullptr && before->paused && !group->paused;
    groups_.Put(group);
  }
  dirty_groups_.insert(group->id);
  for (const Listener& l : listeners_) {
    if (l.group_changed) l.group_changed(group);
    if (resumed && l.group_resumed) l.group_resumed(group);
  }
}

void Metadata::ApplyGroupDeleted(uint32_t id) {
  const GroupPtr group = FindGroup(id);
  if (group == nullptr) return;
  for (const std::string& name : {names::RetryTopic(group->name), names::DlqTopic(group->name)}) {
    if (const TopicPtr topic = FindTopic(name)) ApplyTopicDeleted(topic->id);
  }
  {
    MutexLock lock(&mutex_);
    groups_.Erase(group);
    if (group->paused) --paused_groups_;
  }
  dirty_groups_.insert(id);
  for (const Listener& l : listeners_) {
    if (l.group_deleted) l.group_deleted(group);
  }
}

std::string Metadata::EncodeNextIds() const {
  MutexLock lock(&mutex_);
  return ByteWriter().Varint(topics_.next_id()).Varint(groups_.next_id()).Take();
}

void Metadata::CaptureDirty(store::StateSink& sink) {
  for (uint32_t id : dirty_topics_) {
    if (TopicPtr topic = FindTopic(id)) {
      sink.Put(KeyOf(kTopicKey, id), topic->Encode());
    } else {
      sink.Delete(KeyOf(kTopicKey, id));
    }
  }
  for (uint32_t id : dirty_groups_) {
    if (GroupPtr group = FindGroup(id)) {
      sink.Put(KeyOf(kGroupKey, id), group->Encode());
    } else {
      sink.Delete(KeyOf(kGroupKey, id));
    }
  }
  if (dirty_key_) sink.Put(KeyOf(kHandleKey), EncodeHandleKey(handle_key()));
  // Ids are never reused, also when the newest topic or group was deleted.
  if (!dirty_topics_.empty() || !dirty_groups_.empty()) {
    sink.Put(KeyOf(kNextIdsKey), EncodeNextIds());
  }
  dirty_topics_.clear();
  dirty_groups_.clear();
  dirty_key_ = false;
}

void Metadata::CaptureAll(store::StateSink& sink) {
  for (const TopicPtr& topic : Topics()) sink.Put(KeyOf(kTopicKey, topic->id), topic->Encode());
  for (const GroupPtr& group : Groups()) sink.Put(KeyOf(kGroupKey, group->id), group->Encode());
  if (const auto key = handle_key(); key[0] != 0 || key[1] != 0) {
    sink.Put(KeyOf(kHandleKey), EncodeHandleKey(key));
  }
  sink.Put(KeyOf(kNextIdsKey), EncodeNextIds());
}

absl::Status Metadata::Restore(std::string_view key, std::string_view value) {
  ByteReader reader(value);
  switch (key.size() > 1 ? key[1] : 0) {
    case kTopicKey: {
      auto topic = TopicRecord::Decode(value);
      if (!topic.ok()) return topic.status();
      const uint32_t id = topic->id;
      ApplyTopic(*std::move(topic));
      dirty_topics_.erase(id);
      return absl::OkStatus();
    }
    case kGroupKey: {
      auto group = GroupRecord::Decode(value);
      if (!group.ok()) return group.status();
      const uint32_t id = group->id;
      ApplyGroup(*std::move(group));
      dirty_groups_.erase(id);
      return absl::OkStatus();
    }
    case kHandleKey: {
      MutexLock lock(&mutex_);
      handle_key_ = {reader.Fixed64(), reader.Fixed64()};
      break;
    }
    case kNextIdsKey: {
      MutexLock lock(&mutex_);
      topics_.NeverBelow(reader.Varint32());
      groups_.NeverBelow(reader.Varint32());
      break;
    }
    default:
      return absl::DataLossError("the checkpoint holds an unknown metadata key");
  }
  return reader.ok() ? absl::OkStatus() : absl::DataLossError("a metadata value is cut short");
}

void Metadata::Clear() {
  MutexLock lock(&mutex_);
  topics_.Clear();
  groups_.Clear();
  user_topics_ = 0;
  draining_topics_ = 0;
  paused_groups_ = 0;
  handle_key_ = {0, 0};
  dirty_topics_.clear();
  dirty_groups_.clear();
  dirty_key_ = false;
}

}  // namespace mansio::broker
