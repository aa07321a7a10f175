#include "broker/metadata/metadata.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/rand.h>

#include <algorithm>
#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "common/clock/broker_time.h"
#include "common/gateway/group_owner.h"
#include "common/names/names.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

template <typename Table>
auto SortedByName(const Table& table) {
  std::vector<typename Table::mapped_type> all;
  all.reserve(table.size());
  for (const auto& [name, entry] : table) all.push_back(entry);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
  return all;
}

constexpr uint32_t kMaxAttemptsLimit = 10000;

bool SameSettings(const GroupRecord& a, const GroupRecord& b) {
  return a.fifo == b.fifo && a.max_attempts == b.max_attempts && a.start == b.start &&
         a.backoff == b.backoff && a.broadcast == b.broadcast;
}

absl::Status ValidatePolicy(const GroupRecord& group) {
  if (group.max_attempts < 1 || group.max_attempts > kMaxAttemptsLimit) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the attempts of a group must be between 1 and {}, {} were asked "
                                 "for",
                                 kMaxAttemptsLimit, group.max_attempts));
  }
  return ValidateBackoff(group.backoff);
}

constexpr int64_t kMaxTtlMs = 3650ll * 24 * 3600 * 1000;

absl::Status ValidateSettings(const TopicRecord& topic) {
  if (topic.expiry.ttl_ms < 0 || topic.expiry.ttl_ms > kMaxTtlMs) {
    return WireError(v2::BAD_REQUEST,
                     "the ttl of a topic lies between 1 ms and 3,650 days; 0 is none");
  }
  if (topic.check_back != CheckBackPolicy() && !Takes(topic.type, MessageType::kTransaction)) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("check-back settings belong to topics that take TRANSACTION "
                                 "messages, {} is of type {}; leave them out",
                                 topic.name, NameOf(topic.type)));
  }
  if (topic.priority_guard && topic.type != MessageType::kPriority) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the priority guard belongs to topics of type PRIORITY, {} is of "
                                 "type {}; leave it out",
                                 topic.name, NameOf(topic.type)));
  }
  if (!topic.brokers.empty() && !Takes(topic.type, MessageType::kFifo)) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("message groups are divided between brokers where a topic takes "
                                 "FIFO messages, and {} is of type {}; leave it out",
                                 topic.name, NameOf(topic.type)));
  }
  return absl::OkStatus();
}

// In what a topic differs from what was asked for, each as "8 queues, not 4"; nothing when it does
// not.
std::vector<std::string> Differences(const TopicRecord& is, const TopicRecord& wanted) {
  std::vector<std::string> found;
  if (is.type != wanted.type) {
    found.push_back(fmt::format("type {}, not {}", NameOf(is.type), NameOf(wanted.type)));
  }
  if (is.queues != wanted.queues) {
    found.push_back(fmt::format("{} queues, not {}", is.queues, wanted.queues));
  }
  const auto other = [&found](bool differs, const char* options) {
    if (differs) found.push_back(fmt::format("another {}", options));
  };
  other(is.check_back != wanted.check_back, "--first-check, --check-interval or --max-checks");
  other(is.expiry.ttl_ms != wanted.expiry.ttl_ms, "--ttl");
  other(is.expiry.dead_letter != wanted.expiry.dead_letter, "--expired");
  other(is.priority_guard != wanted.priority_guard, "--priority-guard");
  other(is.backlog.max != wanted.backlog.max, "--max-backlog");
  other(is.backlog.overflow != wanted.backlog.overflow, "--overflow");
  if (is.brokers != wanted.brokers) {
    found.push_back(fmt::format("message groups divided between brokers {}, not {}",
                                fmt::join(is.brokers, ","), fmt::join(wanted.brokers, ",")));
  }
  return found;
}

// Retry and dead-letter topics come and go with their group.
absl::Status BelongsToGroup(std::string_view topic) {
  return WireError(v2::ILLEGAL_TOPIC,
                   fmt::format("topic {} belongs to a consumer group: the broker makes it when it "
                               "is needed, and deletes it with the group",
                               topic));
}

absl::Status NotKnownYet(std::string_view what, std::string_view name) {
  return absl::UnavailableError(
      fmt::format("{} {} is not known here, and may exist: its broker group has no master at "
                  "present, and this member may not know all that the group has; try again soon",
                  what, EscapeForLog(name)));
}

}  // namespace

absl::Status TopicNotFound(std::string_view name) {
  if (absl::Status status = names::ValidateTopic(name); !status.ok()) return status;
  return WireError(
      v2::TOPIC_NOT_FOUND,
      fmt::format("topic {} does not exist on this broker; create it with `mansio topic "
                  "create {}`",
                  name, name));
}

absl::Status GroupNotFound(std::string_view name) {
  if (absl::Status status = names::ValidateConsumerGroup(name); !status.ok()) return status;
  return WireError(
      v2::CONSUMER_GROUP_NOT_FOUND,
      fmt::format("consumer group {} does not exist on this broker; it is created by its "
                  "first consumer, or with `mansio group create {}`",
                  name, name));
}

std::string Topic::OwnerOf(std::string_view message_group) const {
  if (brokers.empty()) return {};
  const auto itself = [](const std::string& broker) -> std::string_view { return broker; };
  return brokers[gateway::BrokerOfGroup(message_group, brokers, itself)];
}

// One metadata record on its way into the log.
class Metadata::Change : public store::Append {
 public:
  explicit Change(absl::AnyInvocable<void(const absl::Status&)> done) : done_(std::move(done)) {}
  void Applied(const store::AppendResult&) override { done_(absl::OkStatus()); }
  void Failed(const absl::Status& status) override { done_(status); }

 private:
  absl::AnyInvocable<void(const absl::Status&)> done_;
};

Metadata::Metadata(Limits limits, BrokerTime* time) : limits_(limits), time_(time) {}

absl::Status Metadata::TopicMissing(std::string_view name) const {
  return MayLack() ? NotKnownYet("topic", name) : TopicNotFound(name);
}

absl::Status Metadata::GroupMissing(std::string_view name) const {
  return MayLack() ? NotKnownYet("consumer group", name) : GroupNotFound(name);
}

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

std::vector<TopicPtr> Metadata::DrainingTopics() const {
  std::vector<TopicPtr> draining;
  ReaderMutexLock lock(&mutex_);
  for (const auto& [name, topic] : topics_) {
    if (topic->draining) draining.push_back(topic);
  }
  return draining;
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

void Metadata::EndClaim(Claims Metadata::*claims, const std::string& name) {
  std::vector<absl::AnyInvocable<void()>> waiting;
  {
    MutexLock lock(&mutex_);
    const auto claim = (this->*claims).find(name);
    waiting = std::move(claim->second);
    (this->*claims).erase(claim);
  }
  for (auto& retry : waiting) retry();
}

std::optional<absl::StatusOr<TopicPtr>> Metadata::JudgeTopic(const TopicRecord& wanted) const {
  if (const auto it = topics_.find(wanted.name); it != topics_.end()) {
    const TopicPtr& existing = it->second;
    const std::vector<std::string> differences = Differences(*existing, wanted);
    if (differences.empty()) return existing;
    const bool alterable = existing->type == wanted.type && existing->queues == wanted.queues;
    return WireError(
        v2::PRECONDITION_FAILED,
        fmt::format(
            "topic {} exists already with {}; {}", existing->name, fmt::join(differences, ", "),
            alterable ? fmt::format("change that with `mansio topic alter {}`", existing->name)
                      : "type and queues cannot be changed: delete it first, "
                        "or take another name"));
  }
  if (user_topics_ + topic_claims_.size() >= limits_.topics) {
    return WireError(v2::TOO_MANY_REQUESTS,
                     fmt::format("this broker holds its limit of {} topics; delete some or raise "
                                 "limits.topics",
                                 limits_.topics));
  }
  return std::nullopt;
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
  if (absl::Status status = ValidateSettings(wanted); !status.ok()) return done(status);
  wanted.created_ms = time_->NowMillis();
  std::optional<absl::StatusOr<TopicPtr>> judged;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = topic_claims_.find(wanted.name); claim != topic_claims_.end()) {
      claim->second.push_back([this, wanted, done = std::move(done)]() mutable {
        CreateTopic(std::move(wanted), std::move(done));
      });
      return;
    }
    judged = JudgeTopic(wanted);
    if (!judged) {
      wanted.id = next_topic_id_++;
      topic_claims_[wanted.name];
    }
  }
  if (judged) return done(*std::move(judged));
  Log(kTopicRecord, wanted.Encode(),
      [this, id = wanted.id, name = wanted.name,
       done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          done(FindTopic(id));
        } else {
          done(status);
        }
        EndClaim(&Metadata::topic_claims_, name);
      });
}

void Metadata::AlterTopic(std::string_view name, const TopicChange& change, Done<TopicPtr> done) {
  if (names::IsSystemTopic(name)) return done(names::ValidateTopic(name));
  if (names::IsGroupTopic(name)) return done(BelongsToGroup(name));
  std::optional<TopicRecord> topic;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = topic_claims_.find(name); claim != topic_claims_.end()) {
      claim->second.push_back(
          [this, name = std::string(name), change, done = std::move(done)]() mutable {
            AlterTopic(name, change, std::move(done));
          });
      return;
    }
    if (const auto it = topics_.find(name); it != topics_.end()) {
      topic = static_cast<const TopicRecord&>(*it->second);
      topic_claims_[topic->name];
    }
  }
  if (!topic) return done(TopicMissing(name));
  if (change.first_check_ms) topic->check_back.first_check_ms = *change.first_check_ms;
  if (change.check_interval_ms) topic->check_back.interval_ms = *change.check_interval_ms;
  if (change.max_checks) topic->check_back.max_checks = *change.max_checks;
  if (change.max_backlog) topic->backlog.max = *change.max_backlog;
  if (change.overflow) topic->backlog.overflow = *change.overflow;
  if (change.ttl_ms) topic->expiry.ttl_ms = *change.ttl_ms;
  if (change.expired_to_dead_letters) topic->expiry.dead_letter = *change.expired_to_dead_letters;
  if (change.priority_guard) topic->priority_guard = *change.priority_guard;
  if (change.draining) topic->draining = *change.draining;
  if (change.brokers) topic->brokers = *change.brokers;
  if (absl::Status status = ValidateSettings(*topic); !status.ok()) {
    EndClaim(&Metadata::topic_claims_, topic->name);
    return done(status);
  }
  Log(kTopicRecord, topic->Encode(),
      [this, id = topic->id, name = topic->name,
       done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          done(FindTopic(id));
        } else {
          done(status);
        }
        EndClaim(&Metadata::topic_claims_, name);
      });
}

void Metadata::DeleteTopic(std::string_view name, Done<TopicPtr> done) {
  if (names::IsSystemTopic(name)) return done(names::ValidateTopic(name));
  if (names::IsGroupTopic(name)) return done(BelongsToGroup(name));
  TopicPtr topic;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = topic_claims_.find(name); claim != topic_claims_.end()) {
      claim->second.push_back([this, name = std::string(name), done = std::move(done)]() mutable {
        DeleteTopic(name, std::move(done));
      });
      return;
    }
    if (const auto it = topics_.find(name); it != topics_.end()) {
      topic = it->second;
      topic_claims_[topic->name];
    }
  }
  if (topic == nullptr) return done(TopicMissing(name));
  Log(kTopicDeletedRecord, ByteWriter().Varint(topic->id).Take(),
      [this, topic, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          done(topic);
        } else {
          done(status);
        }
        EndClaim(&Metadata::topic_claims_, topic->name);
      });
}

void Metadata::EnsureGroup(std::string_view name, Done<GroupPtr> done) {
  if (GroupPtr group = FindGroup(name)) return done(std::move(group));
  if (!group_elsewhere_)
    return EnsureGroup(GroupRecord{.name = std::string(name)}, std::move(done));
  group_elsewhere_(name, [this, name = std::string(name), done = std::move(done)](
                             absl::StatusOr<std::optional<GroupRecord>> elsewhere) mutable {
    if (!elsewhere.ok()) return done(elsewhere.status());
    GroupRecord wanted = elsewhere->value_or(GroupRecord{});
    wanted.name = std::move(name);
    EnsureGroup(std::move(wanted), std::move(done));
  });
}

void Metadata::EnsureGroup(GroupRecord elsewhere, Done<GroupPtr> done) {
  if (GroupPtr group = FindGroup(elsewhere.name)) return done(std::move(group));
  std::string name = elsewhere.name;
  CreateGroup(std::move(elsewhere), [this, name = std::move(name), done = std::move(done)](
                                        absl::StatusOr<GroupPtr> group) mutable {
    // Created meanwhile by someone with other settings: theirs are the group's.
    if (!group.ok()) {
      if (GroupPtr existing = FindGroup(name)) return done(std::move(existing));
    }
    done(std::move(group));
  });
}

std::optional<absl::StatusOr<GroupPtr>> Metadata::JudgeGroup(const GroupRecord& wanted) const {
  if (const auto it = groups_.find(wanted.name); it != groups_.end()) {
    if (SameSettings(*it->second, wanted)) return it->second;
    return WireError(
        v2::PRECONDITION_FAILED,
        fmt::format("consumer group {} exists already with other settings; change them with "
                    "`mansio group alter {}`",
                    wanted.name, wanted.name));
  }
  if (groups_.size() + group_claims_.size() >= limits_.groups) {
    return WireError(
        v2::TOO_MANY_REQUESTS,
        fmt::format("this broker holds its limit of {} consumer groups; delete some or "
                    "raise limits.groups",
                    limits_.groups));
  }
  return std::nullopt;
}

void Metadata::CreateGroup(GroupRecord wanted, Done<GroupPtr> done) {
  if (absl::Status status = names::ValidateConsumerGroup(wanted.name); !status.ok()) {
    return done(status);
  }
  if (absl::Status status = ValidatePolicy(wanted); !status.ok()) return done(status);
  if (wanted.created_ms == 0) wanted.created_ms = time_->NowMillis();
  std::optional<absl::StatusOr<GroupPtr>> judged;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = group_claims_.find(wanted.name); claim != group_claims_.end()) {
      claim->second.push_back([this, wanted, done = std::move(done)]() mutable {
        CreateGroup(std::move(wanted), std::move(done));
      });
      return;
    }
    judged = JudgeGroup(wanted);
    if (!judged) {
      wanted.id = next_group_id_++;
      group_claims_[wanted.name];
    }
  }
  if (judged) return done(*std::move(judged));
  LogGroup(kGroupRecord, wanted.Encode(), wanted.id, wanted.name, std::move(done));
}

void Metadata::AlterGroup(std::string_view name, GroupChange change, Done<GroupPtr> done) {
  std::optional<GroupRecord> group;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = group_claims_.find(name); claim != group_claims_.end()) {
      claim->second.push_back([this, name = std::string(name), change = std::move(change),
                               done = std::move(done)]() mutable {
        AlterGroup(name, std::move(change), std::move(done));
      });
      return;
    }
    if (const auto it = groups_.find(name); it != groups_.end()) {
      group = *it->second;
      group_claims_[group->name];
    }
  }
  if (!group) return done(GroupMissing(name));
  if (change.max_attempts) group->max_attempts = *change.max_attempts;
  if (change.backoff) group->backoff = *std::move(change.backoff);
  if (change.start) group->start = *change.start;
  if (absl::Status status = ValidatePolicy(*group); !status.ok()) {
    EndClaim(&Metadata::group_claims_, group->name);
    return done(status);
  }
  LogGroup(kGroupRecord, group->Encode(), group->id, group->name, std::move(done));
}

void Metadata::LogGroup(store::RecordKind kind, std::string body, uint32_t id, std::string name,
                        Done<GroupPtr> done) {
  Log(kind, std::move(body),
      [this, id, name = std::move(name),
       done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          done(FindGroup(id));
        } else {
          done(status);
        }
        EndClaim(&Metadata::group_claims_, name);
      });
}

void Metadata::DeleteGroup(std::string_view name, Done<GroupPtr> done) {
  GroupPtr group;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = group_claims_.find(name); claim != group_claims_.end()) {
      claim->second.push_back([this, name = std::string(name), done = std::move(done)]() mutable {
        DeleteGroup(name, std::move(done));
      });
      return;
    }
    if (const auto it = groups_.find(name); it != groups_.end()) {
      group = it->second;
      group_claims_[group->name];
    }
  }
  if (group == nullptr) return done(GroupMissing(name));
  Log(kGroupDeletedRecord, ByteWriter().Varint(group->id).Take(),
      [this, group, done = std::move(done)](const absl::Status& status) mutable {
        if (status.ok()) {
          done(group);
        } else {
          done(status);
        }
        EndClaim(&Metadata::group_claims_, group->name);
      });
}

void Metadata::SetPaused(std::string_view name, bool paused, Done<GroupPtr> done) {
  GroupPtr group;
  bool log = false;
  {
    MutexLock lock(&mutex_);
    if (const auto claim = group_claims_.find(name); claim != group_claims_.end()) {
      claim->second.push_back(
          [this, name = std::string(name), paused, done = std::move(done)]() mutable {
            SetPaused(name, paused, std::move(done));
          });
      return;
    }
    if (const auto it = groups_.find(name); it != groups_.end()) {
      group = it->second;
      log = group->paused != paused;
      if (log) group_claims_[group->name];
    }
  }
  if (group == nullptr) return done(GroupMissing(name));
  if (!log) return done(std::move(group));
  LogGroup(kGroupPausedRecord, GroupPausedRecord{group->id, paused}.Encode(), group->id,
           group->name, std::move(done));
}

bool Metadata::IsPaused(std::string_view group) const {
  if (paused_groups_.load(std::memory_order_acquire) == 0) return false;
  const GroupPtr found = FindGroup(group);
  return found != nullptr && found->paused;
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
  return LogAndWait(kHandleKeyRecord, EncodeHandleKey(key));
}

absl::StatusOr<TopicPtr> Metadata::EnsureSystemTopic(std::string_view name, uint32_t queues) {
  TopicRecord topic;
  topic.name = std::string(name);
  topic.kind = TopicKind::kSystem;
  topic.queues = queues;
  topic.created_ms = time_->NowMillis();
  {
    MutexLock lock(&mutex_);
    const auto it = topics_.find(name);
    if (it == topics_.end()) {
      topic.id = next_topic_id_++;
    } else if (it->second->queues >= queues) {
      return it->second;
    } else {
      topic.id = it->second->id;
      topic.created_ms = it->second->created_ms;
    }
  }
  if (absl::Status logged = LogAndWait(kTopicRecord, topic.Encode()); !logged.ok()) return logged;
  return FindTopic(name);
}

absl::Status Metadata::LogAndWait(store::RecordKind kind, std::string body) {
  struct Outcome {
    Mutex mutex;
    CondVar changed;
    bool done = false;
    absl::Status status;
  };
  auto outcome = std::make_shared<Outcome>();
  Log(kind, std::move(body), [outcome](const absl::Status& status) {
    MutexLock lock(&outcome->mutex);
    outcome->status = status;
    outcome->done = true;
    outcome->changed.Signal();
  });
  MutexLock lock(&outcome->mutex);
  while (!outcome->done) outcome->changed.Wait(&outcome->mutex);
  return outcome->status;
}

}  // namespace mansio::broker
