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

std::optional<store::QueueKey> Metadata::FindRetryQueue(const GroupRecord& group,
                                                        uint32_t origin) const {
  return QueueOfOrigin(FindTopic(names::RetryTopic(group.name)), origin);
}

void Metadata::EnsureRetryQueue(const GroupPtr& group, uint32_t origin,
                                Done<store::QueueKey> done) {
  ChangeTopic(
      names::RetryTopic(group->name),
      [this, group, origin,
       now = time_->NowMillis()](const TopicPtr& present) -> Verdict<TopicPtr> {
        mutex_.AssertHeld();
        if (QueueOfOrigin(present, origin).has_value()) return present;
        TopicRecord topic = present != nullptr ? static_cast<const TopicRecord&>(*present)
                                               : NewGroupTopic(*group, TopicKind::kRetry, now);
        if (present == nullptr) topic.id = topics_.NewId();
        topic.origins.push_back(origin);
        topic.queues = static_cast<uint32_t>(topic.origins.size());
        return ToLog<TopicPtr>{kTopicRecord, topic.Encode(), topic.id};
      },
      [origin, done = std::move(done)](absl::StatusOr<TopicPtr> topic) mutable {
        if (!topic.ok()) return done(topic.status());
        done(*QueueOfOrigin(*topic, origin));
      });
}

TopicPtr Metadata::FindDeadLetters(const GroupRecord& group) const {
  return FindTopic(names::DlqTopic(group.name));
}

void Metadata::EnsureDeadLetters(const GroupPtr& group, Done<TopicPtr> done) {
  ChangeTopic(
      names::DlqTopic(group->name),
      [this, group, now = time_->NowMillis()](const TopicPtr& present) -> Verdict<TopicPtr> {
        mutex_.AssertHeld();
        if (present != nullptr) return present;
        TopicRecord topic = NewGroupTopic(*group, TopicKind::kDeadLetter, now);
        topic.id = topics_.NewId();
        topic.queues = 1;
        return ToLog<TopicPtr>{kTopicRecord, topic.Encode(), topic.id};
      },
      std::move(done));
}

}  // namespace mansio::broker
