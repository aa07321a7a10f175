#ifndef MANSIO_BROKER_CONSUMPTION_POSITION_MOVES_H_
#define MANSIO_BROKER_CONSUMPTION_POSITION_MOVES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "broker/consumption/broadcast_members.h"
#include "broker/consumption/consumption_state.h"
#include "broker/consumption/positions.h"

namespace mansio::broker {

// Where a group is to go on in a topic.
struct ResetPoint {
  enum class Kind {
    kEarliest,  // at each queue's oldest message
    kLatest,    // behind its newest
    kTime,      // at the first message stored at or after `value`, milliseconds since 1970
    kOffset,    // at offset `value`; one outside a queue means the queue's nearest end
  };
  Kind kind = Kind::kEarliest;
  int64_t value = 0;
};

// Moves groups to other positions while their consumers are online: what was handed out of the
// moved queues ends (its handles are stale, its attempts forgotten), the cursor stands where it was
// asked to, and parked receives look again. Thread-safe.
class PositionMoves {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  PositionMoves(ConsumptionState* state, Positions* positions, const BroadcastMembers* members)
      : state_(state), positions_(positions), members_(members) {}

  // Moves one group, or one member of a broadcast group, on one queue. `done` is called when the
  // move is applied, on the log thread, or at once when it is refused.
  void Set(const GroupPtr& group, const TopicPtr& topic, QueueCursor position, Done done);
  // Moves a group, of a broadcast group all members, on `queue`, which must exist, or on all queues
  // of the topic; then what waits to be retried of it is dropped, too. TOO_MANY_REQUESTS when the
  // look-up of a time finds the disk too busy.
  void Reset(const GroupPtr& group, const TopicPtr& topic, ResetPoint to,
             std::optional<uint32_t> queue, Done done);

 private:
  class MoveAppend;
  struct Target {
    std::vector<QueueCursor> queues;
    bool drop_retries = false;
  };
  void Move(const GroupPtr& group, const TopicPtr& topic, const Target& target, Done done);
  void MoveAll(const GroupPtr& group, const TopicPtr& topic, const Target& target, Done done);
  absl::Status Log(const GroupPtr& group, const TopicPtr& topic, const Target& target,
                   const std::shared_ptr<Done>& done);

  ConsumptionState* const state_;
  Positions* const positions_;
  const BroadcastMembers* const members_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_POSITION_MOVES_H_
