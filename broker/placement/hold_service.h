#ifndef MANSIO_BROKER_PLACEMENT_HOLD_SERVICE_H_
#define MANSIO_BROKER_PLACEMENT_HOLD_SERVICE_H_

#include <string>
#include <utility>

#include "broker/consumption/consumption.h"
#include "broker/metadata/metadata.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/call.h"

namespace mansio::broker {

// mansio.v1.Admin/HoldTopic: makes sends of message groups wait, and says what FIFO groups have not
// finished of what was sent before. Thread-safe.
class HoldService {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    const Consumption* consumption = nullptr;
    gateway::SendHolds* holds = nullptr;
  };
  HoldService(std::string broker_name, Environment environment)
      : broker_name_(std::move(broker_name)), environment_(environment) {}

  void Register(rpc::MethodTable& methods);

 private:
  void Hold(rpc::UnaryCall& call, const v1::HoldTopicRequest& request);
  void Answer(rpc::UnaryCall& call, const absl::StatusOr<TopicPtr>& topic) const;

  const std::string broker_name_;
  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PLACEMENT_HOLD_SERVICE_H_
