#include "broker/metadata/metadata.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr char kTopicKey = 't';
constexpr char kGroupKey = 'g';
constexpr char kHandleKey = 'k';

std::string IdKey(char table, uint32_t id) { return ByteWriter().U8('M').U8(table).Key32(id).Take(); }

std::string HandleKeyKey() { return ByteWriter().U8('M').U8(kHandleKey).Take(); }

std::string EncodeKey(const std::array<uint64_t, 2>& key) {
  return ByteWriter().Fixed64(key[0]).Fixed64(key[1]).Take();
}

template <typename Table>
auto SortedByName(const Table& table) {
  std::vector<typename Table::mapped_type> all;
  all.reserve(table.size());
  for (const auto& [name, entry] : table) all.push_back(entry);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  return all;
}

absl::Status UnknownTopic(std::string_view name) {
  return WireError(v2::TOPIC_NOT_FOUND,
                   fmt::format("topic {} does not exist on this broker; create it with `mansio topic "
                               "create {}`",
                               name, name));
}

absl::Status UnknownGroup(std::string_view name) {
  return WireError(v2::CONSUMER_GROUP_NOT_FOUND,
                   fmt::format("consumer group {} does not exist on this broker", name));
}

// Tells every caller that joined a claim the same outcome.
template <typename T>
void Tell(std::vector<Metadata::Done<T>>& joined, const absl::StatusOr<T>& outcome) {
  for (auto& done : joined) done(outcome);
}

bool SameSettings(const GroupRecord& a, const GroupRecord& b) {
  return a.fifo == b.fifo && a.max_attempts == b.max_attempts && a.start == b.start;
}

}  // namespace

// One metadata record on its way into the log.
class Metadata::Change : public store::Append {
 public:
  explicit Change(absl::AnyInvocable<void(const absl::Status&)> done) : done_(std::move(done)) {}
  void Applied(const store::AppendResult&) override { done_(absl::OkStatus()); }
  void Failed(const absl::Status& status) override { done_(status); }

 private:
  absl::AnyInvocable<void(const absl::Status&)> done_;
};

Metadata::Metadata(Limits limits, const BrokerTime* time) : limits_(limits), time_(time) {}

TopicPtr Metadata::FindTopic(std::string_view name) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_.find(name);
  return it == topics_.end() ? nullptr : it->second;
}

TopicPtr Metadata::FindTopic(uint32_t id) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = topics_by_id_.find(id);
  return it == topics_by_id_.end() ? nullptr : it->second;
}

GroupPtr Metadata::FindGroup(std::string_view name) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = groups_.find(name);
  return it == groups_.end() ? nullptr : it->second;
}

GroupPtr Metadata::FindGroup(uint32_t id) const {
  ReaderMutexLock lock(&mutex_);
  const auto it = groups_by_id_.find(id);
  return it == groups_by_id_.end() ? nullptr : it->second;
}

std::vector<TopicPtr> Metadata::Topics() const {
  ReaderMutexLock lock(&mutex_);
  return SortedByName(topics_);
}

std::vector<GroupPtr> Metadata::Groups() const {
  ReaderMutexLock lock(&mutex_);
  return SortedByName(groups_);
}

void Metadata::Log(store::RecordKind kind, std::string body,
                   absl::AnyInvocable<void(const absl::Status&)> done) {
  // The callback is shared because a refused Submit makes none of its own.
  auto shared = std::make_shared<absl::AnyInvocable<void(const absl::Status&)>>(std::move(done));
  auto change = std::make_unique<Change>([shared](const absl::Status& s) { (*shared)(s); });
  change->AddRecord(kind, body);
  if (absl::Status status = store_->Submit(std::move(change)); !status.ok()) (*shared)(status);
}

void Metadata::CreateTopic(std::string name, MessageType type, uint32_t queues,
                           Done<TopicPtr> done) {
  if (absl::Status status = names::ValidateTopic(name); !status.ok()) return done(status);
  if (queues < 1 || queues > limits_.queues_per_topic) {
    return done(WireError(v2::BAD_REQUEST,
                          fmt::format("a topic has 1 to {} queues (limits.queues-per-topic), {} were "
                                      "asked for",
                                      limits_.queues_per_topic, queues)));
  }
  TopicRecord topic{0, name, type, queues, time_->NowMillis()};
  {
    MutexLock lock(&mutex_);
    if (const auto it = topics_.find(name); it != topics_.end()) {
      const TopicPtr existing = it->second;
      if (existing->type == type && existing->queues == queues) return done(existing);
      return done(WireError(
          v2::PRECONDITION_FAILED,
          fmt::format("topic {} exists already with {} queues of type {}; delete it first to change that",
                      name, existing->queues,
                      v2::MessageType_Name(static_cast<v2::MessageType>(existing->type)))));
    }
    if (const auto claim = topic_claims_.find(name); claim != topic_claims_.end()) {
      claim->second.joined.push_back(std::move(done));
      return;
    }
    if (topics_.size() + topic_claims_.size() >= limits_.topics) {
      return done(WireError(v2::TOO_MANY_REQUESTS,
                            fmt::format("this broker holds its limit of {} topics (limits.topics)",
                                        limits_.topics)));
    }
    topic.id = next_topic_id_++;
    topic_claims_[name].joined.push_back(std::move(done));
  }
  Log(kTopicRecord, topic.Encode(), [this, name](const absl::Status& status) {
    Claim<TopicPtr> claim;
    absl::StatusOr<TopicPtr> outcome = status;
    {
      MutexLock lock(&mutex_);
      claim = std::move(topic_claims_[name]);
      topic_claims_.erase(name);
      if (status.ok()) outcome = topics_[name];
    }
    Tell(claim.joined, outcome);
  });
}

void Metadata::DeleteTopic(std::string_view name, Done<TopicPtr> done) {
  TopicPtr topic;
  {
    MutexLock lock(&mutex_);
    const auto it = topics_.find(name);
    if (it == topics_.end()) return done(UnknownTopic(name));
    topic = it->second;
    if (const auto claim = topic_claims_.find(name); claim != topic_claims_.end()) {
      claim->second.joined.push_back(std::move(done));
      return;
    }
    topic_claims_[std::string(name)].joined.push_back(std::move(done));
  }
  Log(kTopicDeletedRecord, ByteWriter().Varint(topic->id).Take(),
      [this, topic](const absl::Status& status) {
        Claim<TopicPtr> claim;
        {
          MutexLock lock(&mutex_);
          claim = std::move(topic_claims_[topic->name]);
          topic_claims_.erase(topic->name);
        }
        Tell(claim.joined, status.ok() ? absl::StatusOr<TopicPtr>(topic) : status);
      });
}

void Metadata::EnsureGroup(std::string_view name, Done<GroupPtr> done) {
  if (GroupPtr group = FindGroup(name)) return done(group);
  GroupRecord wanted;
  wanted.name = name;
  CreateGroup(std::move(wanted), [this, name = std::string(name), done = std::move(done)](
                                     absl::StatusOr<GroupPtr> group) mutable {
    // Created meanwhile by someone with other settings: theirs are the group's.
    if (!group.ok()) {
      if (GroupPtr existing = FindGroup(name)) return done(existing);
    }
    done(std::move(group));
  });
}

void Metadata::CreateGroup(GroupRecord wanted, Done<GroupPtr> done) {
  if (absl::Status status = names::ValidateGroup(wanted.name); !status.ok()) return done(status);
  if (wanted.max_attempts < 1 || wanted.max_attempts > 10000) {
    return done(WireError(v2::BAD_REQUEST, "max-attempts of a group must be between 1 and 10000"));
  }
  const std::string name = wanted.name;
  wanted.created_ms = time_->NowMillis();
  {
    MutexLock lock(&mutex_);
    if (const auto it = groups_.find(name); it != groups_.end()) {
      const GroupPtr existing = it->second;
      if (SameSettings(*existing, wanted)) return done(existing);
      return done(WireError(v2::PRECONDITION_FAILED,
                            fmt::format("group {} exists already with other settings; delete it first "
                                        "to change them",
                                        name)));
    }
    if (const auto claim = group_claims_.find(name); claim != group_claims_.end()) {
      claim->second.joined.push_back(std::move(done));
      return;
    }
    if (groups_.size() + group_claims_.size() >= limits_.groups) {
      return done(WireError(v2::TOO_MANY_REQUESTS,
                            fmt::format("this broker holds its limit of {} consumer groups "
                                        "(limits.groups)",
                                        limits_.groups)));
    }
    wanted.id = next_group_id_++;
    group_claims_[name].joined.push_back(std::move(done));
  }
  Log(kGroupRecord, wanted.Encode(), [this, name](const absl::Status& status) {
    Claim<GroupPtr> claim;
    absl::StatusOr<GroupPtr> outcome = status;
    {
      MutexLock lock(&mutex_);
      claim = std::move(group_claims_[name]);
      group_claims_.erase(name);
      if (status.ok()) outcome = groups_[name];
    }
    Tell(claim.joined, outcome);
  });
}

void Metadata::DeleteGroup(std::string_view name, Done<GroupPtr> done) {
  GroupPtr group;
  {
    MutexLock lock(&mutex_);
    const auto it = groups_.find(name);
    if (it == groups_.end()) return done(UnknownGroup(name));
    group = it->second;
    if (const auto claim = group_claims_.find(name); claim != group_claims_.end()) {
      claim->second.joined.push_back(std::move(done));
      return;
    }
    group_claims_[std::string(name)].joined.push_back(std::move(done));
  }
  Log(kGroupDeletedRecord, ByteWriter().Varint(group->id).Take(),
      [this, group](const absl::Status& status) {
        Claim<GroupPtr> claim;
        {
          MutexLock lock(&mutex_);
          claim = std::move(group_claims_[group->name]);
          group_claims_.erase(group->name);
        }
        Tell(claim.joined, status.ok() ? absl::StatusOr<GroupPtr>(group) : status);
      });
}

std::array<uint64_t, 2> Metadata::handle_key() const {
  ReaderMutexLock lock(&mutex_);
  return handle_key_;
}

absl::Status Metadata::EnsureHandleKey() {
  std::array<uint64_t, 2> key = handle_key();
  if (key[0] != 0 || key[1] != 0) return absl::OkStatus();
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), sizeof(key)) != 1) {
    return absl::InternalError("the system's random source gave no key for receipt handles");
  }
  struct Outcome {
    Mutex mutex;
    CondVar changed;
    bool done = false;
    absl::Status status;
  };
  auto outcome = std::make_shared<Outcome>();
  Log(kHandleKeyRecord, EncodeKey(key), [outcome](const absl::Status& status) {
    MutexLock lock(&outcome->mutex);
    outcome->status = status;
    outcome->done = true;
    outcome->changed.Signal();
  });
  MutexLock lock(&outcome->mutex);
  while (!outcome->done) outcome->changed.Wait(&outcome->mutex);
  return outcome->status;
}

std::vector<store::RecordKind> Metadata::Kinds() const {
  return {kTopicRecord, kTopicDeletedRecord, kGroupRecord, kGroupDeletedRecord, kHandleKeyRecord};
}

void Metadata::Apply(const store::RecordView& record) {
  ByteReader reader(record.body);
  switch (record.kind) {
    case kTopicRecord:
      if (auto topic = TopicRecord::Decode(record.body); topic.ok()) ApplyTopic(*std::move(topic));
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
    case kHandleKeyRecord: {
      MutexLock lock(&mutex_);
      handle_key_ = {reader.Fixed64(), reader.Fixed64()};
      dirty_key_ = true;
      break;
    }
  }
}

void Metadata::ApplyTopic(TopicRecord record) {
  auto topic = std::make_shared<const Topic>(std::move(record));
  {
    MutexLock lock(&mutex_);
    topics_[topic->name] = topic;
    topics_by_id_[topic->id] = topic;
    next_topic_id_ = std::max(next_topic_id_, topic->id + 1);
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
    topics_.erase(topic->name);
    topics_by_id_.erase(id);
  }
  dirty_topics_.insert(id);
  store_->DropTopic(id);
  for (const Listener& l : listeners_) {
    if (l.topic_deleted) l.topic_deleted(topic);
  }
}

void Metadata::ApplyGroup(GroupRecord record) {
  auto group = std::make_shared<const GroupRecord>(std::move(record));
  {
    MutexLock lock(&mutex_);
    groups_[group->name] = group;
    groups_by_id_[group->id] = group;
    next_group_id_ = std::max(next_group_id_, group->id + 1);
  }
  dirty_groups_.insert(group->id);
  for (const Listener& l : listeners_) {
    if (l.group_changed) l.group_changed(group);
  }
}

void Metadata::ApplyGroupDeleted(uint32_t id) {
  const GroupPtr group = FindGroup(id);
  if (group == nullptr) return;
  {
    MutexLock lock(&mutex_);
    groups_.erase(group->name);
    groups_by_id_.erase(id);
  }
  dirty_groups_.insert(id);
  for (const Listener& l : listeners_) {
    if (l.group_deleted) l.group_deleted(group);
  }
}

void Metadata::CaptureDirty(store::StateSink& sink) {
  for (uint32_t id : dirty_topics_) {
    if (TopicPtr topic = FindTopic(id)) {
      sink.Put(IdKey(kTopicKey, id), topic->Encode());
    } else {
      sink.Delete(IdKey(kTopicKey, id));
    }
  }
  for (uint32_t id : dirty_groups_) {
    if (GroupPtr group = FindGroup(id)) {
      sink.Put(IdKey(kGroupKey, id), group->Encode());
    } else {
      sink.Delete(IdKey(kGroupKey, id));
    }
  }
  if (dirty_key_) sink.Put(HandleKeyKey(), EncodeKey(handle_key()));
  // Ids are never reused, also when the newest topic or group was deleted.
  if (!dirty_topics_.empty() || !dirty_groups_.empty()) {
    MutexLock lock(&mutex_);
    sink.Put(IdKey('n', 0), ByteWriter().Varint(next_topic_id_).Varint(next_group_id_).Take());
  }
  dirty_topics_.clear();
  dirty_groups_.clear();
  dirty_key_ = false;
}

void Metadata::CaptureAll(store::StateSink& sink) {
  for (const TopicPtr& topic : Topics()) sink.Put(IdKey(kTopicKey, topic->id), topic->Encode());
  for (const GroupPtr& group : Groups()) sink.Put(IdKey(kGroupKey, group->id), group->Encode());
  sink.Put(HandleKeyKey(), EncodeKey(handle_key()));
  MutexLock lock(&mutex_);
  sink.Put(IdKey('n', 0), ByteWriter().Varint(next_topic_id_).Varint(next_group_id_).Take());
}

absl::Status Metadata::Restore(std::string_view key, std::string_view value) {
  ByteReader reader(value);
  switch (key.size() > 1 ? key[1] : 0) {
    case kTopicKey: {
      auto topic = TopicRecord::Decode(value);
      if (!topic.ok()) return topic.status();
      ApplyTopic(*std::move(topic));
      dirty_topics_.clear();
      return absl::OkStatus();
    }
    case kGroupKey: {
      auto group = GroupRecord::Decode(value);
      if (!group.ok()) return group.status();
      ApplyGroup(*std::move(group));
      dirty_groups_.clear();
      return absl::OkStatus();
    }
    case kHandleKey: {
      MutexLock lock(&mutex_);
      handle_key_ = {reader.Fixed64(), reader.Fixed64()};
      break;
    }
    case 'n': {
      MutexLock lock(&mutex_);
      next_topic_id_ = std::max(next_topic_id_, reader.Varint32());
      next_group_id_ = std::max(next_group_id_, reader.Varint32());
      break;
    }
    default:
      return absl::DataLossError("the checkpoint holds an unknown metadata key");
  }
  return reader.ok() ? absl::OkStatus() : absl::DataLossError("a metadata value is cut short");
}

void Metadata::Clear() {
  MutexLock lock(&mutex_);
  topics_.clear();
  topics_by_id_.clear();
  groups_.clear();
  groups_by_id_.clear();
  next_topic_id_ = next_group_id_ = 1;
  handle_key_ = {0, 0};
  dirty_topics_.clear();
  dirty_groups_.clear();
  dirty_key_ = false;
}

}  // namespace mansio::broker
