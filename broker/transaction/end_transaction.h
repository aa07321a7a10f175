#ifndef MANSIO_BROKER_TRANSACTION_END_TRANSACTION_H_
#define MANSIO_BROKER_TRANSACTION_END_TRANSACTION_H_

#include <string>

#include "broker/transaction/transaction_ender.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

namespace apache::rocketmq::v2 {
class EndTransactionRequest;
}

namespace mansio::broker {

// EndTransaction (RocketMQ 5 API): answered when the end is committed. A resolution that is not
// set is OK and changes nothing; who asks (`source`) does not matter. Thread-safe.
class EndTransactionService {
 public:
  // All borrowed.
  struct Environment {
    TransactionEnder* ender = nullptr;
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
  };
  EndTransactionService(std::string broker_name, Environment environment)
      : broker_name_(std::move(broker_name)), environment_(environment) {}

  void Handle(rpc::UnaryCall& call, const apache::rocketmq::v2::EndTransactionRequest& request);

 private:
  const std::string broker_name_;
  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_END_TRANSACTION_H_
