#ifndef MANSIO_BROKER_METADATA_METADATA_H_
#define MANSIO_BROKER_METADATA_METADATA_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/core/feature.h"
#include "broker/metadata/entry_table.h"
#include "broker/metadata/group.h"
#include "broker/metadata/records.h"
#include "broker/metadata/topic.h"
#include "common/sync/sync.h"
#include "store/store.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Why there is no such topic or group (wire statuses): TOPIC_NOT_FOUND or CONSUMER_GROUP_NOT_FOUND
// with the cure, ILLEGAL_TOPIC or ILLEGAL_CONSUMER_GROUP for a name that none can have.
absl::Status TopicNotFound(std::string_view name);
absl::Status GroupNotFound(std::string_view name);

// The topic and group tables: a fold of log records. Look-ups are thread-safe and short; changes
// are claimed here, logged, and visible when applied. A second change of a name that is claimed
// waits until the first one is decided and is then judged by what that has left.
//
// metadata.cc has the look-ups, topic_changes.cc, group_changes.cc and group_topics.cc what can be
// changed, metadata_changes.cc how a change is made, metadata_fold.cc what follows from the log.
class Metadata : public Feature {
 public:
  struct Limits {
    size_t topics = 100000;
    uint32_t queues_per_topic = 1024;
    size_t groups = 100000;
  };
  // Runs once, on the log thread when the change was applied, or at once when it is refused.
  template <typename T>
  using Done = absl::AnyInvocable<void(absl::StatusOr<T>)>;

  Metadata(Limits limits, BrokerTime* time);

  // The store that changes are logged to and that learns of topics; comes before anything is
  // restored.
  void Attach(store::Store* store) override { store_ = store; }

  // nullptr when there is none.
  TopicPtr FindTopic(std::string_view name) const;
  TopicPtr FindTopic(uint32_t id) const;
  GroupPtr FindGroup(std::string_view name) const;
  GroupPtr FindGroup(uint32_t id) const;
  // Why there is none: as TopicNotFound and GroupNotFound, or Unavailable while this broker
  // may not know all that its group has (SetMayLack): then whoever asks is to ask again.
  absl::Status TopicMissing(std::string_view name) const;
  absl::Status GroupMissing(std::string_view name) const;
  // `may_lack`: from any thread. Set before serving.
  void SetMayLack(std::function<bool()> may_lack) { may_lack_ = std::move(may_lack); }
  bool MayLack() const { return may_lack_ && may_lack_(); }
  std::vector<TopicPtr> Topics() const;  // by name, of all kinds
  std::vector<GroupPtr> Groups() const;  // by name

  // Creates a topic. Creating it again with the same type and queue count is OK (idempotent); with
  // others FailedPrecondition. Names and numbers are checked here (wire statuses).
  void CreateTopic(std::string name, MessageType type, uint32_t queues, Done<TopicPtr> done);
  // The same for a topic of the users with settings of its own; id and time of creation are filled
  // in.
  void CreateTopic(TopicRecord wanted, Done<TopicPtr> done);
  // Changes settings of a topic of the users; messages that are there are judged by the new ones,
  // too. The errors of DeleteTopic, and BAD_REQUEST for settings that it cannot have.
  void AlterTopic(std::string_view name, const TopicChange& change, Done<TopicPtr> done);
  // Deletes a topic of the users with its messages. TOPIC_NOT_FOUND when there is none,
  // ILLEGAL_TOPIC for one of the system or of a group.
  void DeleteTopic(std::string_view name, Done<TopicPtr> done);
  // Creates a group, now or at `created_ms`, or returns the one there is; FailedPrecondition when
  // that has other settings.
  void CreateGroup(GroupRecord wanted, Done<GroupPtr> done);
  // Finds out what the other brokers have of a group, at once or later: nullopt when they do not
  // know it, an error when the group is not to be made now. Set before serving.
  using GroupElsewhere =
      std::function<void(std::string_view name, Done<std::optional<GroupRecord>> done)>;
  void SetGroupElsewhere(GroupElsewhere look) { group_elsewhere_ = std::move(look); }
  // First use of a group: as CreateGroup with the settings that it has elsewhere, else defaults,
  // and never complains about other settings. Calls `done` at once when the group exists, and on
  // any thread when it has to be looked for elsewhere.
  void EnsureGroup(std::string_view name, Done<GroupPtr> done);
  // The same with the settings given here.
  void EnsureGroup(GroupRecord elsewhere, Done<GroupPtr> done);
  // Changes the policy of a group; what is handed out already is judged by the new one, too.
  void AlterGroup(std::string_view name, GroupChange change, Done<GroupPtr> done);
  // Deletes a group with its retry and dead-letter topics.
  void DeleteGroup(std::string_view name, Done<GroupPtr> done);
  // Pauses or resumes a group: while it is paused, nothing is handed out to its consumers. OK when
  // it is so already. CONSUMER_GROUP_NOT_FOUND when there is none.
  void SetPaused(std::string_view name, bool paused, Done<GroupPtr> done);
  // Whether there are topics that are drained; these.
  bool AnyDraining() const { return draining_topics_.load(std::memory_order_relaxed) > 0; }
  std::vector<TopicPtr> DrainingTopics() const;
  // Whether a group of this name is paused. Hot: one load while no group is.
  bool IsPaused(std::string_view group) const;

  // The queue of %RETRY%<group> for what came from the topic `origin`; nullopt when there is none
  // yet. EnsureRetryQueue logs one then.
  std::optional<store::QueueKey> FindRetryQueue(const GroupRecord& group, uint32_t origin) const;
  void EnsureRetryQueue(const GroupPtr& group, uint32_t origin, Done<store::QueueKey> done);
  // The topic %DLQ%<group>, of one queue; the same.
  TopicPtr FindDeadLetters(const GroupRecord& group) const;
  void EnsureDeadLetters(const GroupPtr& group, Done<TopicPtr> done);

  // The key of receipt handles; created and logged by EnsureHandleKey at first start.
  std::array<uint64_t, 2> handle_key() const;
  // Logs a random key unless there is one; blocks until applied. Called once before serving.
  absl::Status EnsureHandleKey();

  // A topic of the system, with a name that clients cannot create; logged unless it is there with
  // at least that many queues. Blocks until applied. Called before serving.
  absl::StatusOr<TopicPtr> EnsureSystemTopic(std::string_view name, uint32_t queues);

  // Called on the log thread after a topic or group has appeared, changed or gone.
  struct Listener {
    std::function<void(const TopicPtr&)> topic_changed;
    std::function<void(const TopicPtr&)> topic_deleted;
    std::function<void(const GroupPtr&)> group_changed;
    std::function<void(const GroupPtr&)> group_resumed;  // after group_changed: it was paused
    std::function<void(const GroupPtr&)> group_deleted;
  };
  void AddListener(Listener listener) { listeners_.push_back(std::move(listener)); }

  // Feature
  std::vector<store::RecordKind> Kinds() const override;
  char KeyPrefix() const override { return 'M'; }
  void Apply(const store::RecordView& record) override;
  void CaptureDirty(store::StateSink& sink) override;
  void CaptureAll(store::StateSink& sink) override;
  absl::Status Restore(std::string_view key, std::string_view value) override;
  void Clear() override;

 private:
  class LoggedRecord;

  // What becomes of a change: it is answered at once; what it is about does not exist, which is
  // answered as TopicMissing or GroupMissing; or a record is logged, and the answer is the entry
  // with this id when that is applied, or what was `deleted`.
  struct NoSuchEntry {};
  template <typename Ptr>
  struct ToLog {
    store::RecordKind kind = 0;
    std::string body;
    uint32_t id = 0;
    Ptr deleted = nullptr;
  };
  template <typename Ptr>
  using Verdict = std::variant<absl::StatusOr<Ptr>, NoSuchEntry, ToLog<Ptr>>;
  // Called once, under the lock, when no other change of the name is on its way, with the entry or
  // nullptr.
  template <typename Ptr>
  using Judge = absl::AnyInvocable<Verdict<Ptr>(const Ptr& present)>;

  // Judges a change of what has this name, and makes it.
  void ChangeTopic(std::string_view name, Judge<TopicPtr> judge, Done<TopicPtr> done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void ChangeGroup(std::string_view name, Judge<GroupPtr> judge, Done<GroupPtr> done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  template <typename Ptr>
  void Change(EntryTable<Ptr> Metadata::*table, std::string_view name, Judge<Ptr> judge,
              Done<Ptr> done) ABSL_LOCKS_EXCLUDED(mutex_);
  // The record is in the log, or refused: answers, and ends the claim.
  template <typename Ptr>
  void Decided(EntryTable<Ptr> Metadata::*table, const std::string& name, uint32_t id,
               const Ptr& deleted, const absl::Status& status, Done<Ptr>& done)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Log(store::RecordKind kind, std::string body,
           absl::AnyInvocable<void(const absl::Status&)> done);
  // As Log, and blocks until the record is applied.
  absl::Status LogAndWait(store::RecordKind kind, std::string body);
  // Whether one more fits.
  absl::Status CheckRoomForTopic() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoomForGroup() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void ApplyTopic(TopicRecord topic) ABSL_LOCKS_EXCLUDED(mutex_);
  void ApplyTopicDeleted(uint32_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  void ApplyGroup(GroupRecord group) ABSL_LOCKS_EXCLUDED(mutex_);
  void ApplyGroupDeleted(uint32_t id) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string EncodeNextIds() const ABSL_LOCKS_EXCLUDED(mutex_);

  const Limits limits_;
  BrokerTime* const time_;
  store::Store* store_ = nullptr;
  std::vector<Listener> listeners_;
  GroupElsewhere group_elsewhere_;
  std::function<bool()> may_lack_;

  mutable Mutex mutex_;
  EntryTable<TopicPtr> topics_ ABSL_GUARDED_BY(mutex_);
  EntryTable<GroupPtr> groups_ ABSL_GUARDED_BY(mutex_);
  size_t user_topics_ ABSL_GUARDED_BY(mutex_) = 0;  // those that limits.topics counts
  std::atomic<size_t> paused_groups_{0};            // counted under the lock
  std::atomic<size_t> draining_topics_{0};          // the same
  std::array<uint64_t, 2> handle_key_ ABSL_GUARDED_BY(mutex_) = {0, 0};

  // Log thread only: what the next checkpoint must write.
  absl::flat_hash_set<uint32_t> dirty_topics_;
  absl::flat_hash_set<uint32_t> dirty_groups_;
  bool dirty_key_ = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_METADATA_H_
