#include "broker/server/decision_hold.h"

#include <string>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/server/slave_gate.h"
#include "common/gateway/call_target.h"
#include "common/gateway/refusal.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

void DecisionHold::Look(bool decided) {
  const absl::Duration now = clock_->BootNow();
  const MutexLock lock(&mutex_);
  if (decided) {
    undecided_since_.reset();
  } else if (!undecided_since_.has_value()) {
    undecided_since_ = now;
  }
  const bool waits = undecided_since_.has_value() && now < *undecided_since_ + kPatience;
  const rpc::Holding what = waits ? rpc::Holding::kDecisions : rpc::Holding::kNothing;
  // With the lock held: what is told last is what is so.
  if (told_ != what) hold_(what);
  told_ = what;
}

void MarkDecisions(rpc::MethodTable& methods) {
  for (const gateway::OwnedMethod& method : gateway::kOwnedMethods) {
    if (IsReadByOffset(method.name)) continue;
    const std::string path = gateway::MessagingPath(method.name);
    for (rpc::MethodTable::Unary& entry : methods.unary) {
      if (entry.path != path) continue;
      entry.decides = true;
      entry.refuse = [&method](rpc::UnaryCall& call) {
        call.Finish(gateway::RefusalOf(
            method, call.Request(),
            WireError(v2::HA_NOT_AVAILABLE,
                      "the broker group is changing its master; try again in a moment")));
      };
    }
  }
}

}  // namespace mansio::broker
