#ifndef MANSIO_BROKER_TRANSACTION_TRANSACTION_ADMIN_H_
#define MANSIO_BROKER_TRANSACTION_TRANSACTION_ADMIN_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/transaction/check_back.h"
#include "broker/transaction/transaction_ender.h"
#include "broker/transaction/transaction_id.h"
#include "common/rpc/call.h"
#include "mansio/v1/admin.pb.h"

namespace mansio::broker {

// What mansio.v1.Admin says and does about the transactions of this broker. Thread-safe.
class TransactionAdmin {
 public:
  // All borrowed.
  struct Environment {
    TransactionState* state = nullptr;
    TransactionEnder* ender = nullptr;
    const CheckBack* check_back = nullptr;
    Metadata* metadata = nullptr;
    Mover* mover = nullptr;
  };
  TransactionAdmin(std::string broker_name, Environment environment)
      : broker_name_(std::move(broker_name)), environment_(environment) {}

  // Adds its methods.
  void Register(rpc::MethodTable& methods);

 private:
  using Message = absl::StatusOr<store::StoredMessage>;
  using Messages = std::vector<Message>;
  // Sees a message; false when no more are wanted.
  using Keep = std::function<bool(store::QueueOffset offset, const Message& message)>;

  void Stats(rpc::UnaryCall& call, const v1::TransactionStatsRequest& request) const;
  void List(rpc::UnaryCall& call, const v1::ListTransactionsRequest& request) const;
  void ListPending(rpc::UnaryCall& call, uint32_t topic, size_t max) const;
  void ListExpired(rpc::UnaryCall& call, const std::string& topic, size_t max) const;
  // Shows `keep` one message after the other, of which few are in memory at once; then `done`.
  void Read(std::vector<MoveSource> sources, Keep keep, std::function<void()> done) const;
  // The newest `max` messages of kExpiredTopic, last one first.
  std::vector<MoveSource> NewestExpired(size_t max) const;
  void Describe(rpc::UnaryCall& call, const v1::DescribeTransactionRequest& request) const;
  // Adds what the copy of an expired one says, if that is still there.
  void DescribeExpired(rpc::UnaryCall& call, store::QueueOffset half,
                       v1::DescribeTransactionResponse known) const;
  void Resolve(rpc::UnaryCall& call, const v1::ResolveTransactionRequest& request) const;

  absl::StatusOr<TransactionId> Open(const std::string& text) const;
  v1::TransactionInfo InfoOf(store::QueueOffset half, const Half& entry) const;
  // What is known of an expired one; nothing when its message has gone.
  std::optional<v1::TransactionInfo> ExpiredInfo(const Message& message) const;
  std::string IdText(uint32_t topic, store::Epoch epoch, store::QueueOffset half) const;
  template <typename Response>
  void Answer(rpc::UnaryCall& call, const absl::Status& status, Response response) const;

  const std::string broker_name_;
  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_TRANSACTION_ADMIN_H_
