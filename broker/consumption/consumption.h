#ifndef MANSIO_BROKER_CONSUMPTION_CONSUMPTION_H_
#define MANSIO_BROKER_CONSUMPTION_CONSUMPTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "broker/consumption/delivery_counters.h"
#include "broker/consumption/position_moves.h"
#include "broker/core/feature.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio {
class BrokerTime;
class TimerQueue;
}  // namespace mansio

namespace mansio::broker {

class AppendBudget;
class DeadLetterState;
class Mover;

struct ConsumptionOptions {
  std::string broker_name;
  std::string store_host;             // HOST:PORT put into delivered messages
  int32_t receive_batch = 32;         // the most that one receive hands out
  size_t max_answer_bytes = 8 << 20;  // in one receive; its first message goes whatever its size
  size_t max_parked_receives = 200000;
  size_t max_leases = 1000000;       // of all groups together
  size_t max_group_leases = 500000;  // of one group
  size_t max_queue_leases = 100000;  // of one group on one queue
  absl::Duration dead_letter_retention = absl::Hours(24 * 7);
  absl::Duration min_long_polling = absl::Seconds(5);
  absl::Duration max_long_polling = absl::Seconds(20);
  absl::Duration max_auto_renew = absl::Hours(3);
  absl::Duration recent_topic = absl::Minutes(10);  // start rule of a new group, design section 6
  absl::Duration owner_grace =
      absl::Seconds(60);  // after a start every lease owner counts as alive
  BroadcastMembers::Options broadcast;
};

// How far a group is on one queue.
struct QueueConsumption {
  std::string topic;
  uint32_t queue = 0;
  std::string client;   // of a broadcast group: whose position it is
  uint64_t cursor = 0;  // the next message to hand out
  uint64_t next = 0;    // the end of the queue
  uint64_t leased = 0;  // handed out, not acknowledged
  // Of these: their client has set another time, mostly as it failed.
  uint64_t backing_off = 0;
  uint64_t ready = 0;   // waiting to be handed out, redeliveries included
  bool away = false;    // the client is not alive, and may never come again: nobody waits for it
  uint64_t oldest = 0;  // the first that is not finished; `next` when there is none
};

// Consumption (design section 6): groups' cursors and leases, retries and dead letters,
// ReceiveMessage, AckMessage, ChangeInvisibleDuration, ForwardMessageToDeadLetterQueue.
// Thread-safe.
class Consumption {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    const DeadLetterState* dead_letters = nullptr;  // before its features in the FeatureSet
    gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
    Mover* mover = nullptr;  // attached to the store before Start
    AppendBudget* budget = nullptr;
  };
  static std::unique_ptr<Consumption> Create(ConsumptionOptions options, Environment environment);
  virtual ~Consumption() = default;

  // Its parts of the broker's state; to be added to the FeatureSet, in this order, after Metadata.
  virtual std::vector<Feature*> features() = 0;
  // Told of subscriptions and dead clients by the gateway.
  virtual gateway::ClientObserver* observer() = 0;
  // Adds its methods.
  virtual void Register(rpc::MethodTable& methods) = 0;
  // Starts expiry of leases; after the store is open.
  virtual void Start() = 0;
  // Answers every parked receive (nothing found); no more expiry. Before the server shuts down.
  virtual void Stop() = 0;

  // Up to where a group, of a broadcast group the given client, has consumed a queue: everything
  // before the offset is acknowledged or passed over. nullopt when it has no position there.
  virtual std::optional<store::QueueOffset> Position(const GroupPtr& group, std::string_view client,
                                                     store::QueueKey queue) const = 0;
  // Moves that position; makes one if needed. `done` is called when it is applied, on the log
  // thread, or at once when it is refused.
  virtual void SetPosition(const GroupPtr& group, std::string_view client, const TopicPtr& topic,
                           QueueCursor position, PositionMoves::Done done) = 0;
  // Whether the group has a position on the topic. Not of broadcast groups, whose clients have
  // them.
  virtual bool HasPosition(const GroupRecord& group, uint32_t topic) const = 0;
  // Gives it one, where it would begin if it came now. Calls `done` when that is applied, on the
  // log thread, or at once: when it has one, is a broadcast group, or is refused.
  virtual void EnsurePosition(const GroupPtr& group, const TopicPtr& topic,
                              PositionMoves::Done done) = 0;
  // As PositionMoves::Reset. Of a broadcast group, which can have very many clients, `done` is not
  // called on the log thread: it may look at all of them.
  virtual void Reset(const GroupPtr& group, const TopicPtr& topic, ResetPoint to,
                     std::optional<uint32_t> queue, PositionMoves::Done done) = 0;

  // Why the group does not get messages, or that it does; what says most first. Never empty.
  // `may_read`: with what only the disk may know; then only inside Store::RunCold.
  virtual std::vector<v1::GroupExplanation> Explain(const GroupRecord& group,
                                                    bool may_read) const = 0;

  // Per topic and queue that the group consumes, by name, queue and client.
  virtual std::vector<QueueConsumption> Describe(const GroupRecord& group) const = 0;

  // What it takes of its limits.
  struct Usage {
    size_t leases = 0;           // max_leases
    size_t parked_receives = 0;  // max_parked_receives
  };
  virtual Usage usage() const = 0;
  // What groups got since the start of the process.
  virtual DeliveryCounters& deliveries() = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_CONSUMPTION_H_
