// The topics that belong to a consumer group: %RETRY%<group> and %DLQ%<group>.

#include <algorithm>
#include <utility>

#include "broker/metadata/metadata.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"

namespace mansio::broker {

namespace {

TopicRecord NewGroupTopic(const GroupRecord& group, TopicKind kind, int64_t now_ms) {
  TopicRecord topic;
  topic.name =
      kind == TopicKind::kRetry ? names::RetryTopic(group.name) : names::DlqTopic(group.name);
  topic.kind = kind;
  topic.group = group.id;
  topic.created_ms = now_ms;
  return topic;
}

std::optional<store::QueueKey> QueueOfOrigin(const TopicPtr& retry, uint32_t origin) {
  if (retry == nullptr) return std::nullopt;
  const auto it = std::find(retry->origins.begin(), retry->origins.end(), origin);
  if (it == retry->origins.end()) return std::nullopt;
  return store::QueueKey{retry->id, static_cast<uint32_t>(it - retry->origins.begin())};
}

}  // namespace

void Metadata::EnsureGroupTopic(const std::string& name, NextTopic next, Done<TopicPtr> done) {
  TopicPtr present;
  std::optional<TopicRecord> changed;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = topic_claims_.find(name); claim != topic_claims_.end()) {
      claim->second.push_back(
          [this, name, next = std::move(next), done = std::move(done)]() mutable {
            EnsureGroupTopic(name, std::move(next), std::move(done));
          });
      return;
    }
    if (const auto it = topics_.find(name); it != topics_.end()) present = it->second;
    changed = next(present);
    if (changed) {
      changed->id = present != nullptr ? present->id : next_topic_id_++;
      topic_claims_[name];
    }
  }
  if (!changed) return done(std::move(present));
  Log(kTopicRecord, changed->Encode(),
      [this, id = changed->id, name, done = std::move(done)](const absl::Status& status) mutable {
        TopicPtr topic = FindTopic(id);
        if (!status.ok()) {
          done(status);
        } else if (topic == nullptr) {
          done(absl::NotFoundError("the consumer group was deleted meanwhile"));
        } else {
          done(std::move(topic));
        }
        EndClaim(&Metadata::topic_claims_, name);
      });
}

std::optional<store::QueueKey> Metadata::FindRetryQueue(const GroupRecord& group,
                                                        uint32_t origin) const {
  return QueueOfOrigin(FindTopic(names::RetryTopic(group.name)), origin);
}

void Metadata::EnsureRetryQueue(const GroupPtr& group, uint32_t origin,
                                Done<store::QueueKey> done) {
  const auto with_origin = [group, origin, now = time_->NowMillis()](
                               const TopicPtr& present) -> std::optional<TopicRecord> {
    if (QueueOfOrigin(present, origin).has_value()) return std::nullopt;
    TopicRecord topic = present != nullptr ? static_cast<const TopicRecord&>(*present)
                                           : NewGroupTopic(*group, TopicKind::kRetry, now);
    topic.origins.push_back(origin);
    topic.queues = static_cast<uint32_t>(topic.origins.size());
    return topic;
  };
  EnsureGroupTopic(names::RetryTopic(group->name), with_origin,
                   [origin, done = std::move(done)](absl::StatusOr<TopicPtr> topic) mutable {
                     if (!topic.ok()) return done(topic.status());
                     done(*QueueOfOrigin(*topic, origin));
                   });
}

TopicPtr Metadata::FindDeadLetters(const GroupRecord& group) const {
  return FindTopic(names::DlqTopic(group.name));
}

void Metadata::EnsureDeadLetters(const GroupPtr& group, Done<TopicPtr> done) {
  const auto create =
      [group, now = time_->NowMillis()](const TopicPtr& present) -> std::optional<TopicRecord> {
    if (present != nullptr) return std::nullopt;
    TopicRecord topic = NewGroupTopic(*group, TopicKind::kDeadLetter, now);
    topic.queues = 1;
    return topic;
  };
  EnsureGroupTopic(names::DlqTopic(group->name), create, std::move(done));
}

}  // namespace mansio::broker
