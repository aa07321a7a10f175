#ifndef MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_
#define MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "broker/consumption/queue_progress.h"
#include "broker/consumption/records.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/filter/message_filter.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"
#include "store/store.h"

namespace mansio::broker {

// A message that a receive has taken, with all that is needed to read and deliver it.
struct TakenMessage {
  store::QueueKey queue;  // of the topic, or of what the group has to retry of it
  store::QueueOffset offset = 0;
  store::QueueEntry entry;
  uint32_t attempt = 1;      // of this queue
  store::LogPosition lease;  // once it has its place in the log
  bool judged = false;       // the filter has seen the message itself
  int64_t deadline_ms = 0;   // of the lease
};

// Queue entries that were read from disk for a receive that found them, or the messages that its
// filter has to see, not in memory.
struct ColdEntries {
  store::QueueKey queue;
  store::QueueOffset from = 0;
  std::vector<store::QueueEntry> entries;
  std::vector<bool> wanted;  // by the filter, for each entry; empty unless it reads messages

  bool Contains(const store::QueueKey& q, store::QueueOffset offset) const {
    return q == queue && offset >= from && offset - from < entries.size();
  }
};

// In which order a Take looks at the queues of a topic.
enum class QueueOrder {
  kTurns,            // each queue is the first in its turn
  kPriority,         // the highest first: what is in a lower one waits while there is more
  kGuardedPriority,  // the same, but for one Take in eight, which serves each queue in its turn
};

struct TakeRequest {
  const MessageFilter* filter = nullptr;
  size_t max = 1;
  size_t max_bytes = 8 << 20;         // one message is taken whatever its size
  Lease lease;                        // owner, deadline, auto_renew, attempt_id
  const ColdEntries* cold = nullptr;  // or null
  QueueOrder order = QueueOrder::kTurns;
  // Of a dead-letter topic: what was removed from it is passed over, and what was carried forward
  // is taken. Else null.
  const DeadLetterState* dead_letters = nullptr;
  // Of those handed out for the first time, and what the group may have of one queue in all.
  size_t max_new = std::numeric_limits<size_t>::max();
  size_t max_queue_leases = std::numeric_limits<size_t>::max();
};

struct TakeOutcome {
  std::vector<TakenMessage> taken;
  size_t bytes = 0;  // of the messages taken
  // What has to be logged: leases, and cursors that passed over messages. One for the topic and one
  // for the retry queue, each only if it is not empty; none when everything taken is leased
  // already.
  std::vector<LeaseRecord> records;
  // Set when nothing was taken because entries or messages from here on are for the cold pool.
  std::optional<store::QueueKey> cold_queue;
  store::QueueOffset cold_from = 0;
  size_t passed_over = 0;     // messages that the filter does not want
  size_t filtered_bytes = 0;  // that the filter has looked at
  bool more = false;          // messages were left for another receive
  size_t fresh = 0;           // of the messages taken, those handed out for the first time
  // What more messages were left for: max_new, or max_queue_leases of a queue.
  bool at_group_limit = false;
  bool at_queue_limit = false;
};

// What a group has to deliver again of one topic: a queue of %RETRY%<group>.
struct RetryQueue {
  store::QueueKey key;
  QueueProgress* progress = nullptr;
};

// One group on one topic: a QueueProgress for each queue, and the fair choice among them.
class TopicProgress {
 public:
  TopicProgress() = default;

  // Whether the group's position on this topic is in the log.
  bool fixed() const { return !queues_.empty(); }
  std::vector<QueueProgress>& queues() { return queues_; }
  const std::vector<QueueProgress>& queues() const { return queues_; }
  // A queue as decisions see it, claims included; nullptr when there is none.
  QueueProgress* queue(uint32_t id) { return id < queues_.size() ? &queues_[id] : nullptr; }
  // The same queue for a record that gets its place in the log, and for one that is applied. These
  // are not the one above while a move of the cursor is on its way: what was logged before the move
  // belongs to the progress that the move ends.
  QueueProgress* appended(uint32_t id);
  QueueProgress* applied(uint32_t id);

  // Claims that the group goes on at `cursor`: from now on nothing is handed out, and no handle
  // given so far is good. The queue must exist.
  void ClaimMove(uint32_t id, store::QueueOffset cursor);
  // The claim's record was refused at once, before the lock was released.
  void UnclaimMove(uint32_t id);
  // Its record has its place in the log, and is applied (with or without a claim).
  void MoveAppended(uint32_t id);
  void ApplyMove(uint32_t id, store::QueueOffset cursor);

  // Claims up to `request.max` messages from the queues in the order asked for, in each those that
  // came back first (design section 6: any queue, fairly). Every fourth call begins with `retry`,
  // the others end with it, so that neither retries nor new messages starve. Of a FIFO group a
  // receive that repeats its attempt id gets what it holds by it, and nothing else. Memory only.
  // `missed` is told of messages that retention took before the group came to them.
  TakeOutcome Take(const store::Store& store, uint32_t topic, std::optional<RetryQueue> retry,
                   const TakeRequest& request,
                   absl::FunctionRef<void(store::QueueKey queue, uint64_t count)> missed);
  // Takes everything in `outcome` back; before the lock under which Take ran is released.
  void Undo(const TakeOutcome& outcome, std::optional<RetryQueue> retry);
  // Whether a Take could find something.
  bool HasMore(const store::Store& store, uint32_t topic, std::optional<RetryQueue> retry) const;

  // What happened to receives since the start; in memory only, for explanations.
  struct Notes {
    int64_t asked_ms = 0;      // broker time of the last receive
    uint64_t passed_over = 0;  // messages that no filter wanted, since one was last taken
    std::string filter;        // the last that did not want them
    uint64_t missed = 0;       // messages that retention took before the group came to them
    int64_t missed_ms = 0;     // when that was noticed last
  };
  Notes& notes() { return notes_; }
  const Notes& notes() const { return notes_; }

  // Whether a receive lets its filter read old messages. The others of the group wait for what it
  // finds: side by side they would all read the same messages.
  bool scanning() const { return scanning_; }
  void set_scanning(bool scanning) { scanning_ = scanning; }

 private:
  friend class QueueTake;
  // What a move ends, until the move is applied.
  struct Ended {
    QueueProgress progress;
    bool move_appended = false;
  };
  // True when the receive goes on with what its attempt id holds.
  bool TakeHeld(const store::Store& store, uint32_t topic, const TakeRequest& request,
                TakeOutcome& outcome);
  // Whether a Take goes round the queues from turn_; and sets whose turn is next.
  bool TakesInTurn(const TakeRequest& request);
  void EndTurn(uint32_t topic, const TakeRequest& request, const TakeOutcome& outcome);

  std::vector<QueueProgress> queues_;
  absl::flat_hash_map<uint32_t, std::deque<Ended>> ended_;  // by queue, oldest first
  std::vector<store::QueueOffset> rewind_;  // next() of each queue before the last Take
  store::QueueOffset rewind_retry_ = 0;
  uint32_t turn_ = 0;   // the queue that the next Take whose turn counts looks at first
  uint64_t guard_ = 0;  // Takes by guarded priority
  uint64_t takes_ = 0;  // for the turn of the retry queue
  bool scanning_ = false;
  Notes notes_;
};

// One group's consumption on this broker, with the lock that guards it. Decisions are made and
// their record submitted under the lock, so that the order of claims is the order of the log.
struct GroupProgress {
  explicit GroupProgress(uint32_t group_id) : id(group_id) {}
  const uint32_t id;
  mutable Mutex mutex;
  // Messages handed out and not acknowledged, of all queues; by the log.
  size_t leases ABSL_GUARDED_BY(mutex) = 0;
  // Those on their way into the log (ConsumptionState::LeaseClaim).
  std::atomic<size_t> claimed_leases{0};
  absl::flat_hash_map<uint32_t, TopicProgress> topics ABSL_GUARDED_BY(mutex);
  // Where what comes back of a topic goes: queues of %RETRY%<group> by the origin's id. A fold of
  // the topic's record.
  uint32_t retry_topic ABSL_GUARDED_BY(mutex) = 0;
  absl::flat_hash_map<uint32_t, uint32_t> retry_queues ABSL_GUARDED_BY(mutex);
  std::optional<RetryQueue> RetryOf(uint32_t origin) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // The progress on a queue, its own or one to retry; nullptr when the group does not consume it.
  QueueProgress* Queue(store::QueueKey key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // The same for a record that gets its place in the log, or fails before (a later move may be on
  // its way, and fail, too), and for one that is applied; see TopicProgress.
  QueueProgress* Appended(store::QueueKey key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  QueueProgress* Applied(store::QueueKey key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Calls that wait for a position that is being logged, by topic.
  absl::flat_hash_map<uint32_t, std::vector<absl::AnyInvocable<void(const absl::Status&)>>>
      positioning ABSL_GUARDED_BY(mutex);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_
