#ifndef MANSIO_BROKER_CONSUMPTION_CHANGE_INVISIBLE_SERVICE_H_
#define MANSIO_BROKER_CONSUMPTION_CHANGE_INVISIBLE_SERVICE_H_

#include "broker/consumption/context.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class ChangeInvisibleDurationRequest;
}

namespace mansio::broker {

// ChangeInvisibleDuration (RocketMQ 5 API): gives a lease a new deadline and a new handle;
// the attempt is counted when it lapses. Thread-safe.
class ChangeInvisibleService {
 public:
  explicit ChangeInvisibleService(ConsumptionContext& context) : context_(context) {}
  void Handle(rpc::UnaryCall& call,
              const apache::rocketmq::v2::ChangeInvisibleDurationRequest& request);

 private:
  ConsumptionContext& context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_CHANGE_INVISIBLE_SERVICE_H_
