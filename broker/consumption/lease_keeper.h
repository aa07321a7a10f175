#ifndef MANSIO_BROKER_CONSUMPTION_LEASE_KEEPER_H_
#define MANSIO_BROKER_CONSUMPTION_LEASE_KEEPER_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "broker/consumption/broadcast_members.h"
#include "broker/consumption/consumption_state.h"
#include "broker/consumption/redelivery.h"
#include "common/gateway/client_registry.h"
#include "common/sync/sync.h"
#include "common/timer/timer_queue.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Ends leases: those whose time has passed, and those whose client is dead (design section 6). It
// knows when; Redelivery knows what becomes of the messages. Thread-safe.
class LeaseKeeper {
 public:
  struct Environment {
    ConsumptionState* state = nullptr;
    const gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
    const BroadcastMembers* members = nullptr;
    Redelivery* redelivery = nullptr;
  };
  explicit LeaseKeeper(Environment environment);
  ~LeaseKeeper();

  // A lease of this queue lapses at `deadline_ms`, broker time. Cheap when an earlier one is known.
  void Note(const ProgressKey& key, int64_t deadline_ms);
  // Begins to end leases. Before it, deadlines are only noted (recovery). After `owner_grace` those
  // end whose owners have not shown up since the start, and those that were renewed for as long as
  // their owner lives and were handed out shortly before this broker's last life ended: the owner
  // may never have got the message, and would not miss it.
  void Start(absl::Duration owner_grace);
  void Stop();
  // Ends all leases of a client that is dead, but for those that it has given a time of its own.
  void EndLeasesOf(uint64_t owner);
  // A connection of this client, or the way to it, has broken, and the client may live on. What was
  // handed out to it shortly before may have gone with the connection: those of these leases that
  // were renewed for as long as it lives end after `owner_grace`.
  void Doubt(uint64_t owner);
  // Of messages that a receive took and that still are its own: those that were not delivered come
  // again at once, and the delivery does not count; those that nobody wants are acknowledged.
  void GiveBack(uint32_t group, const std::vector<TakenMessage>& messages);
  void Discard(uint32_t group, const std::vector<TakenMessage>& messages);
  // An end or a change of these leases was claimed and its record has failed: they live on, and
  // lapse by their deadline.
  void KeepLeases(const LeasesEndRecord& record);

 private:
  class EndAppend;
  // What was handed out to an owner in that time may never have come, broker time; whoever did get
  // it has until `ends_ms` to acknowledge it.
  struct Doubted {
    int64_t from_ms = 0;
    int64_t to_ms = 0;
    int64_t ends_ms = 0;
  };

  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fire();
  void EndAbsent();
  bool IsInDoubt(const Lease& lease) const;
  // Those whose time has come.
  void EndDoubted();
  void ArmForDoubted(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What becomes of the leases of one queue that have ended by `now`.
  void EndDue(const ProgressKey& key, int64_t now);
  // What becomes of a FIFO group's batches whose heads have ended: they come again in place, but
  // for heads that have used up their attempts, which are left in `heads`. False: the store has
  // refused it.
  bool EndBatches(const ProgressKey& key, const GroupRecord& group, QueueProgress& progress,
                  std::vector<QueueProgress::Ended>& heads);
  // A move has ended.
  void Moved(const ProgressKey& key, const Redelivery::Outcome& outcome);
  // Ends of these leases are not tried before they may be readable again.
  void PutAside(const ProgressKey& key, const std::vector<store::QueueOffset>& unreadable);
  void TakeUp(const ProgressKey& key, const std::vector<store::QueueOffset>& offsets);
  // Looks at the queue again after the store has refused something.
  void LookLater(const ProgressKey& key);
  void EndTaken(uint32_t group, const std::vector<TakenMessage>& messages, store::RecordKind kind);
  void Abandon(absl::FunctionRef<bool(const Lease&)> whose);

  const Environment environment_;
  // Of the last life: about its end; 0 where it is not known. Set by Start.
  store::StoreTime last_life_ended_ = 0;
  int64_t owner_grace_ms_ = 0;  // the same
  Mutex mutex_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  absl::btree_set<std::pair<int64_t, ProgressKey>> by_time_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<ProgressKey, int64_t> noted_ ABSL_GUARDED_BY(mutex_);
  // With a move under way, or one that has failed a moment ago.
  absl::flat_hash_set<ProgressKey> moving_ ABSL_GUARDED_BY(mutex_);
  int64_t armed_for_ ABSL_GUARDED_BY(mutex_) = QueueProgress::kNever;
  TimerQueue::Id timer_ ABSL_GUARDED_BY(mutex_) = 0;
  TimerQueue::Id grace_timer_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, Doubted> doubted_ ABSL_GUARDED_BY(mutex_);  // by owner
  bool doubt_armed_ ABSL_GUARDED_BY(mutex_) = false;
  TimerQueue::Id doubt_timer_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_LEASE_KEEPER_H_
