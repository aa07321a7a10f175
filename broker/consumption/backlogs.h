#ifndef MANSIO_BROKER_CONSUMPTION_BACKLOGS_H_
#define MANSIO_BROKER_CONSUMPTION_BACKLOGS_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/consumption/consumption_state.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

class Redelivery;

// Keeps the backlog of topics within their limit (BacklogPolicy). A group's backlog on a topic is
// what it has not been handed out of it; what waits to be retried, and positions that nobody
// consumes at, do not count, nor do the clients of broadcast groups, as one that is away would stop
// them all. The slowest group's is kept in Topic::backlog_now, for sends to look at; where the
// policy is not to refuse them, the oldest messages of every group that is over the limit make way.
//
// Looked at after each batch of the log that concerns a limited topic, so that a topic is over its
// limit by what comes in during a few milliseconds. Thread-safe.
class Backlogs {
 public:
  // How long after a topic was found full it is looked at again: consumers that pass over messages
  // do not log each of them.
  static constexpr int64_t kLookMs = 20;
  // After a move has failed.
  static constexpr int64_t kTryAgainMs = 1000;
  // As many messages go into the dead letters of a group with one frame.
  static constexpr size_t kMoved = 64;

  // All borrowed.
  struct Environment {
    ConsumptionState* state = nullptr;
    Metadata* metadata = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
    Redelivery* redelivery = nullptr;
  };
  // Listens to the metadata for topics with a limit.
  explicit Backlogs(Environment environment);

  // Looks at every limited topic; after recovery.
  void Start();
  void Stop() { stopped_ = true; }

  // ---- Log thread, no lock held ----

  // A group has a position on a topic that it had none on.
  void Joined(uint32_t group, uint32_t topic);
  // A group's position on a topic has moved, or the topic has messages more.
  void Touch(uint32_t topic) {
    if (limited_.load(std::memory_order_relaxed) > 0) touched_.insert(topic);
  }
  void BatchEnd();
  // The state starts over; the topics come again.
  void Clear();

 private:
  struct Limited {
    TopicPtr topic;
    std::vector<GroupProgressPtr> groups;
    absl::flat_hash_set<uint32_t> moving;  // groups with messages on their way to dead letters
  };
  // A queue of which a group has more than it may: messages [from, to) are to make way.
  struct Excess {
    uint32_t queue = 0;
    store::QueueOffset from = 0;
    store::QueueOffset to = 0;
  };
  class PassAppend;

  void Watch(const TopicPtr& topic);
  void Forget(uint32_t topic);
  // Brings backlog_now up to date; returns whether the topic is to be looked at again.
  bool Measure(Limited& limited) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // nullopt when the group does not consume the topic, or nobody of it.
  std::optional<uint64_t> BacklogOf(GroupProgress& group, const Topic& topic) const;
  std::vector<Excess> ExcessOf(const GroupProgress& group, const Topic& topic) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(group.mutex);

  void LookLater() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Timers' thread: makes way in all topics that are over their limit.
  void Look();
  void Drop(const GroupProgressPtr& group, const Topic& topic);
  void MoveToDeadLetters(const GroupProgressPtr& group, const TopicPtr& topic);
  // No move of the group's messages is under way any more.
  void Moved(uint32_t group, uint32_t topic);

  const Environment environment_;
  std::atomic<bool> stopped_{false};
  std::atomic<size_t> limited_{0};  // topics
  Mutex mutex_;
  absl::flat_hash_map<uint32_t, Limited> topics_ ABSL_GUARDED_BY(mutex_);
  bool look_set_ ABSL_GUARDED_BY(mutex_) = false;  // Look is on the timers

  absl::flat_hash_set<uint32_t> touched_;  // log thread only
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_BACKLOGS_H_
