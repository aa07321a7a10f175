#ifndef MANSIO_BROKER_CONSUMPTION_ACK_SERVICE_H_
#define MANSIO_BROKER_CONSUMPTION_ACK_SERVICE_H_

#include "broker/consumption/context.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class AckMessageRequest;
}

namespace mansio::broker {

// AckMessage (RocketMQ 5 API): all good entries of a request end in one log record; it is
// answered when that is committed. Thread-safe.
class AckService {
 public:
  explicit AckService(ConsumptionContext& context) : context_(context) {}
  void Handle(rpc::UnaryCall& call, const apache::rocketmq::v2::AckMessageRequest& request);

 private:
  ConsumptionContext& context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_ACK_SERVICE_H_
