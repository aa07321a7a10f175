#ifndef MANSIO_BROKER_DELAY_DELAY_H_
#define MANSIO_BROKER_DELAY_DELAY_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/delay/delay_state.h"
#include "broker/delay/firing.h"
#include "broker/delay/recall_handle.h"
#include "broker/message/provenance.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class Message;
}
namespace google::protobuf {
class Timestamp;
}

namespace mansio::broker {

struct DelayOptions {
  std::string broker_name;
  std::vector<int64_t> levels_ms;  // of levels 1, 2, …
  size_t max_pending = 10'000'000;
};

// Delayed messages (design section 8): the levels, exact delivery times, their
// recall and their delivery. Thread-safe once Start has returned.
class Delay {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  Delay(DelayOptions options, Environment environment);

  // Its part of the broker's state; to be added to the FeatureSet after Metadata.
  Feature* feature() { return &state_; }
  // Adds RecallMessage.
  void Register(rpc::MethodTable& methods);
  // Makes the system topics and begins to fire; after the store is open. Blocks for a log record.
  absl::Status Start();
  // Before the mover stops.
  void Stop();

  // Where a message that is not due yet waits, and what it takes with it there.
  struct Waiting {
    store::QueueKey queue;
    Provenance provenance;
  };
  // For a validated message on its way to `target`; nullopt when it is to be stored there at once.
  // TOO_MANY_REQUESTS when too many timers are pending, or too much of the disk is full of what
  // outlives its retention. `now_ms` is broker time.
  absl::StatusOr<std::optional<Waiting>> Place(const apache::rocketmq::v2::Message& message,
                                               store::QueueKey target, int64_t now_ms) const;
  // The same for a message that is to be delivered at `due_ms`, broker time, which is to come;
  // `level`: because of a delay level.
  absl::StatusOr<Waiting> PlaceAt(store::QueueKey target, int64_t due_ms, uint32_t level = 0) const;
  // The recall handle of a message that waits at `offset`. Thread-safe.
  std::string HandleOf(const Waiting& waiting, store::QueueOffset offset,
                       std::string message_id) const;

  // Recalls a timer: OK (also when it was recalled before) with its message id, NOT_FOUND when it
  // was delivered or is not known here, BAD_REQUEST for text that is no handle. `topic` is the one
  // that the message was sent to, or "" for any. Calls `done` once, on any thread.
  using RecallDone = std::function<void(const absl::StatusOr<std::string>&)>;
  void Recall(std::string_view handle, std::string_view topic, RecallDone done);

  const DelayState& state() const { return state_; }
  const DelayOptions& options() const { return options_; }

 private:
  class RecallAppend;

  absl::Status CheckTopic(const RecallHandle& handle, std::string_view topic) const;
  // Claims a timer that is the handle's message, and logs its end.
  void EndTimer(const RecallHandle& handle, RecallDone done);

  const DelayOptions options_;
  const Environment environment_;
  DelayState state_;
  Firing firing_;
};

// The first millisecond that is not before a delivery time, which may lie before 1970 or have odd
// nanoseconds; its seconds are too few to overflow.
int64_t DueOf(const google::protobuf::Timestamp& time);

// The level that the DELAY property of a message names, at most the number of levels; 0 when it has
// none. Only for a validated message.
uint32_t DelayLevelOf(const apache::rocketmq::v2::Message& message, size_t levels);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_DELAY_H_
