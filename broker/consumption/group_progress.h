#ifndef MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_
#define MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "broker/consumption/queue_progress.h"
#include "broker/consumption/records.h"
#include "broker/consumption/tag_filter.h"
#include "broker/metadata/metadata.h"
#include "common/sync/sync.h"
#include "store/store.h"

namespace mansio::broker {

// A message that a receive has taken, with all that is needed to read and deliver it.
struct TakenMessage {
  uint32_t queue = 0;
  store::QueueOffset offset = 0;
  store::QueueEntry entry;
  uint32_t attempt = 1;
};

// Queue entries that were read from disk for a receive that found them cold.
struct ColdEntries {
  uint32_t queue = 0;
  store::QueueOffset from = 0;
  std::vector<store::QueueEntry> entries;
};

struct TakeRequest {
  const TagFilter* filter = nullptr;
  size_t max = 1;
  size_t max_bytes = 8 << 20;         // one message is taken whatever its size
  Lease lease;                        // owner, deadline, auto_renew
  const ColdEntries* cold = nullptr;  // or null
};

struct TakeOutcome {
  std::vector<TakenMessage> taken;
  size_t bytes = 0;    // of the messages taken
  LeaseRecord record;  // what has to be logged: leases, and cursors that passed over messages
  // Set when nothing was taken because these entries are not in memory.
  std::optional<store::QueueKey> cold_queue;
  store::QueueOffset cold_from = 0;
  bool more = false;  // messages were left for another receive
};

// One group on one topic: a QueueProgress for each queue, and the fair choice among them.
class TopicProgress {
 public:
  TopicProgress() = default;

  // Whether the group's position on this topic is in the log.
  bool fixed() const { return !queues_.empty(); }
  std::vector<QueueProgress>& queues() { return queues_; }
  const std::vector<QueueProgress>& queues() const { return queues_; }
  QueueProgress* queue(uint32_t id) { return id < queues_.size() ? &queues_[id] : nullptr; }

  // Claims up to `request.max` messages: those that came back first, then new ones, from the queues
  // in turn (design section 6: any queue, fairly). Memory only. `missed` is told of messages that
  // retention took before the group came to them.
  TakeOutcome Take(const store::Store& store, uint32_t topic, const TakeRequest& request,
                   absl::FunctionRef<void(uint32_t queue, uint64_t count)> missed);
  // Takes everything in `outcome` back; before the lock under which Take ran is released.
  void Undo(const TakeOutcome& outcome);
  // Whether a Take could find something.
  bool HasMore(const store::Store& store, uint32_t topic) const;

 private:
  friend class QueueTake;
  std::vector<QueueProgress> queues_;
  std::vector<store::QueueOffset> rewind_;  // next() of each queue before the last Take
  uint32_t turn_ = 0;                       // the queue that the next Take looks at first
};

// One group's consumption on this broker, with the lock that guards it. Decisions are made and
// their record submitted under the lock, so that the order of claims is the order of the log.
struct GroupProgress {
  explicit GroupProgress(uint32_t group_id) : id(group_id) {}
  const uint32_t id;
  mutable Mutex mutex;
  absl::flat_hash_map<uint32_t, TopicProgress> topics ABSL_GUARDED_BY(mutex);
  // Calls that wait for a position that is being logged, by topic.
  absl::flat_hash_map<uint32_t, std::vector<absl::AnyInvocable<void(const absl::Status&)>>>
      positioning ABSL_GUARDED_BY(mutex);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_GROUP_PROGRESS_H_
