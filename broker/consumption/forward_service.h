#ifndef MANSIO_BROKER_CONSUMPTION_FORWARD_SERVICE_H_
#define MANSIO_BROKER_CONSUMPTION_FORWARD_SERVICE_H_

#include "broker/consumption/context.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class ForwardMessageToDeadLetterQueueRequest;
}

namespace mansio::broker {

// ForwardMessageToDeadLetterQueue (RocketMQ 5 API): a consumer gives a message up.
// Thread-safe.
class ForwardService {
 public:
  explicit ForwardService(ConsumptionContext& context) : context_(context) {}

  // Idempotent: OK also when the lease lives no more, because SDKs repeat it for ever otherwise. A
  // handle that is not one, or that is of another group or topic, is INVALID_RECEIPT_HANDLE.
  void Handle(rpc::UnaryCall& call,
              const apache::rocketmq::v2::ForwardMessageToDeadLetterQueueRequest& request);

 private:
  ConsumptionContext& context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_FORWARD_SERVICE_H_
