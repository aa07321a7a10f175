#ifndef MANSIO_BROKER_SERVER_DECISION_HOLD_H_
#define MANSIO_BROKER_SERVER_DECISION_HOLD_H_

#include <functional>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "common/clock/clock.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// While a broker group changes its master, sends, acks and whatever else somebody must decide about
// wait a moment for the new one (rpc::Holding), so that most clients notice a pause and no error.
// A group that has had nobody who decides for ten seconds is not about to have: its members answer
// at once again, and say so. Thread-safe.
class DecisionHold {
 public:
  // `clock` is borrowed. `hold` is told what waits from now on; must not block.
  DecisionHold(const Clock* clock, std::function<void(rpc::Holding)> hold)
      : clock_(clock), hold_(std::move(hold)) {}

  // Whether somebody decides now; each time that changes, and each second.
  void Look(bool decided);

 private:
  const Clock* const clock_;
  const std::function<void(rpc::Holding)> hold_;
  Mutex mutex_;
  std::optional<absl::Duration> undecided_since_ ABSL_GUARDED_BY(mutex_);
  std::optional<rpc::Holding> told_ ABSL_GUARDED_BY(mutex_);
};

// Marks the methods of the public API that need somebody who decides, and gives them an answer for
// the case that nobody came: HA_NOT_AVAILABLE, on which SDKs try again. Once, when all are there.
void MarkDecisions(rpc::MethodTable& methods);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_DECISION_HOLD_H_
