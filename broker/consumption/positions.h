#ifndef MANSIO_BROKER_CONSUMPTION_POSITIONS_H_
#define MANSIO_BROKER_CONSUMPTION_POSITIONS_H_

#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/consumption/consumption_state.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// The first message of a queue that a group can get. Dead letters that were carried forward are
// below the queue's minimum.
store::QueueOffset FirstOf(const store::Store& store, const Topic& topic, uint32_t queue);

// Fixes where a group begins on a topic, once, in the log (design section 6): at the end of each
// queue; at 0 where the queue was never trimmed and its first message is younger than `recent`; a
// group that was created with a start policy uses that. Thread-safe.
class Positions {
 public:
  using Done = absl::AnyInvocable<void(const absl::Status&)>;

  Positions(ConsumptionState* state, BrokerTime* time, absl::Duration recent)
      : state_(state), time_(time), recent_(recent) {}

  // Calls `done` when the position is applied: at once if it is already, else on the log thread.
  // CONSUMER_GROUP_NOT_FOUND or TOPIC_NOT_FOUND when that was deleted meanwhile.
  // Calls that come meanwhile join the one that is being logged.
  void Ensure(const GroupPtr& group, const TopicPtr& topic, Done done) {
    Ensure(group, topic, false, std::move(done));
  }
  // The same; where it makes the position, that is only implied (QueueProgress).
  void EnsureImplied(const GroupPtr& group, const TopicPtr& topic, Done done) {
    Ensure(group, topic, true, std::move(done));
  }

 private:
  class PositionAppend;
  void Ensure(const GroupPtr& group, const TopicPtr& topic, bool implied, Done done);
  store::QueueOffset StartOf(const GroupRecord& group, const Topic& topic, uint32_t queue) const;

  ConsumptionState* const state_;
  BrokerTime* const time_;
  const absl::Duration recent_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_POSITIONS_H_
