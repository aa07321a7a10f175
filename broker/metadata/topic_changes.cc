// What can be changed of topics: created, altered, deleted, and those of the system.

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/metadata/metadata.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// Retry and dead-letter topics come and go with their group.
absl::Status BelongsToGroup(std::string_view topic) {
  return WireError(v2::ILLEGAL_TOPIC,
                   fmt::format("topic {} belongs to a consumer group: the broker makes it when it "
                               "is needed, and deletes it with the group",
                               topic));
}

// Whether such a topic is the users' to change, if there is one.
absl::Status CheckOfUsers(std::string_view name) {
  if (names::IsSystemTopic(name)) return names::ValidateTopic(name);
  return names::IsGroupTopic(name) ? BelongsToGroup(name) : absl::OkStatus();
}

}  // namespace

absl::Status Metadata::CheckRoomForTopic() const {
  if (user_topics_ + topics_.claims() < limits_.topics) return absl::OkStatus();
  return WireError(v2::TOO_MANY_REQUESTS,
                   fmt::format("this broker holds its limit of {} topics; delete some or raise "
                               "limits.topics",
                               limits_.topics));
}

void Metadata::CreateTopic(std::string name, MessageType type, uint32_t queues,
                           Done<TopicPtr> done) {
  TopicRecord wanted;
  wanted.name = std::move(name);
  wanted.type = type;
  wanted.queues = queues;
  CreateTopic(std::move(wanted), std::move(done));
}

void Metadata::CreateTopic(TopicRecord wanted, Done<TopicPtr> done) {
  if (absl::Status status = names::ValidateTopic(wanted.name); !status.ok()) return done(status);
  if (names::IsGroupTopic(wanted.name)) return done(BelongsToGroup(wanted.name));
  if (wanted.queues < 1 || wanted.queues > limits_.queues_per_topic) {
    return done(
        WireError(v2::BAD_REQUEST,
                  fmt::format("a topic has 1 to {} queues (limits.queues-per-topic), {} were "
                              "asked for",
                              limits_.queues_per_topic, wanted.queues)));
  }
  if (absl::Status status = CheckSettings(wanted); !status.ok()) return done(status);
  wanted.created_ms = time_->NowMillis();
  const std::string name = wanted.name;
  ChangeTopic(
      name,
      [this, wanted = std::move(wanted)](const TopicPtr& present) mutable -> Verdict<TopicPtr> {
        mutex_.AssertHeld();
        if (present != nullptr) {
          absl::Status same = CheckSameTopic(*present, wanted);
          return same.ok() ? absl::StatusOr<TopicPtr>(present) : same;
        }
        if (absl::Status room = CheckRoomForTopic(); !room.ok()) return room;
        wanted.id = topics_.NewId();
        return ToLog<TopicPtr>{kTopicRecord, wanted.Encode(), wanted.id};
      },
      std::move(done));
}

void Metadata::AlterTopic(std::string_view name, const TopicChange& change, Done<TopicPtr> done) {
  if (absl::Status status = CheckOfUsers(name); !status.ok()) return done(status);
  ChangeTopic(
      name,
      [change](const TopicPtr& present) -> Verdict<TopicPtr> {
        if (present == nullptr) return NoSuchEntry();
        const TopicRecord changed = Changed(*present, change);
        if (absl::Status status = CheckSettings(changed); !status.ok()) return status;
        return ToLog<TopicPtr>{kTopicRecord, changed.Encode(), changed.id};
      },
      std::move(done));
}

void Metadata::DeleteTopic(std::string_view name, Done<TopicPtr> done) {
  if (absl::Status status = CheckOfUsers(name); !status.ok()) return done(status);
  ChangeTopic(
      name,
      [](const TopicPtr& present) -> Verdict<TopicPtr> {
        if (present == nullptr) return NoSuchEntry();
        return ToLog<TopicPtr>{kTopicDeletedRecord, ByteWriter().Varint(present->id).Take(),
                               present->id, present};
      },
      std::move(done));
}

absl::StatusOr<TopicPtr> Metadata::EnsureSystemTopic(std::string_view name, uint32_t queues) {
  TopicRecord topic;
  topic.name = std::string(name);
  topic.kind = TopicKind::kSystem;
  topic.queues = queues;
  topic.created_ms = time_->NowMillis();
  {
    MutexLock lock(&mutex_);
    const TopicPtr present = topics_.Find(name);
    if (present == nullptr) {
      topic.id = topics_.NewId();
    } else if (present->queues >= queues) {
      return present;
    } else {
      topic.id = present->id;
      topic.created_ms = present->created_ms;
    }
  }
  if (absl::Status logged = LogAndWait(kTopicRecord, topic.Encode()); !logged.ok()) return logged;
  return FindTopic(name);
}

}  // namespace mansio::broker
