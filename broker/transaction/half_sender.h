#ifndef MANSIO_BROKER_TRANSACTION_HALF_SENDER_H_
#define MANSIO_BROKER_TRANSACTION_HALF_SENDER_H_

#include <cstddef>
#include <string>

#include "broker/send/half_store.h"
#include "broker/transaction/transaction_ender.h"
#include "common/gateway/client_registry.h"

namespace mansio::broker {

// Stores halves: one frame with the message, in kHalfTopic, and the record that makes it pending.
// Thread-safe.
class HalfSender : public HalfStore {
 public:
  struct Options {
    std::string broker_name;
    size_t max_pending = 1000000;  // limits.pending-transactions
  };
  // All borrowed.
  struct Environment {
    TransactionState* state = nullptr;
    TransactionEnder* ender = nullptr;
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    BrokerTime* time = nullptr;
  };
  HalfSender(Options options, Environment environment)
      : options_(std::move(options)), environment_(environment) {}

  void StoreHalf(rpc::UnaryCall& call, apache::rocketmq::v2::Message& message,
                 const Topic& topic) override;

 private:
  class HalfAppend;

  const Options options_;
  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_HALF_SENDER_H_
