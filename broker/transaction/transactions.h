#ifndef MANSIO_BROKER_TRANSACTION_TRANSACTIONS_H_
#define MANSIO_BROKER_TRANSACTION_TRANSACTIONS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "broker/core/feature.h"
#include "broker/send/half_store.h"
#include "broker/transaction/check_back.h"
#include "broker/transaction/transaction_state.h"
#include "common/rpc/call.h"

namespace mansio::broker {

struct TransactionOptions {
  std::string broker_name;
  std::string store_host;  // what messages in checks say
  CheckBack::Policy check_back;
  size_t max_pending = 1000000;
  size_t max_check_bytes = 8u << 20;  // what the telemetry stream of a producer can take
};

// Transactions (design section 7): halves, EndTransaction, check-backs, and their administration
// (mansio.v1.Admin). Thread-safe.
class Transactions {
 public:
  // All borrowed.
  struct Environment {
    Metadata* metadata = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;
    BrokerTime* time = nullptr;
    TimerQueue* timers = nullptr;
  };
  static std::unique_ptr<Transactions> Create(TransactionOptions options, Environment environment);
  virtual ~Transactions() = default;

  // Its part of the broker's state; to be added to the FeatureSet after Metadata.
  virtual Feature* feature() = 0;
  // Where sends put halves.
  virtual HalfStore* halves() = 0;
  // Adds its methods.
  virtual void Register(rpc::MethodTable& methods) = 0;
  // Creates its system topics and starts check-backs; after the store is open, before serving.
  // Blocks until the topics are stored.
  virtual absl::Status Start() = 0;
  virtual void Stop() = 0;

  // To look at.
  virtual const TransactionState& state() const = 0;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_TRANSACTIONS_H_
