#ifndef MANSIO_BROKER_SEND_HALF_STORE_H_
#define MANSIO_BROKER_SEND_HALF_STORE_H_

#include "broker/metadata/metadata.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class Message;
}

namespace mansio::broker {

// Takes the TRANSACTION messages that a send service has checked (broker/transaction).
class HalfStore {
 public:
  virtual ~HalfStore() = default;
  // Stores the one message of a request as a half for `topic`, and answers the call. `message` is
  // changed, and used only until this returns. Any thread.
  virtual void StoreHalf(rpc::UnaryCall& call, apache::rocketmq::v2::Message& message,
                         const Topic& topic) = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_HALF_STORE_H_
