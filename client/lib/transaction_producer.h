#ifndef MANSIO_CLIENT_LIB_TRANSACTION_PRODUCER_H_
#define MANSIO_CLIENT_LIB_TRANSACTION_PRODUCER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/client_options.h"
#include "client/lib/message.h"

namespace mansio::client {

enum class Resolution { kCommit, kRollback, kUnknown };

// A message that is stored and invisible until it is committed.
struct Transaction {
  std::string topic;
  std::string message_id;
  std::string transaction_id;
  std::string endpoint;  // of the broker that holds it
};

// Sends messages to TRANSACTION topics in two steps (RocketMQ 5 API): Begin stores the
// message, invisible; the application then does its own work; Commit makes the message visible,
// Rollback drops it. When neither comes, the broker asks a producer of the topic what to do, this
// one or any other: the checker must find out from the application's own data. Thread-safe.
//
// Errors as Producer's. A failed Commit or Rollback may be repeated; INVALID_TRANSACTION_ID says
// that the transaction ended the other way, or is not known (any more).
class TransactionProducer {
 public:
  // Decides about a transaction that nobody has ended; kUnknown: ask again later. Runs on a thread
  // of its own, one call at a time, until the producer is destroyed; it may block.
  using Checker = std::function<Resolution(const ReceivedMessage& message)>;

  // `topics` are those that this producer can be asked about from the start; others it learns as it
  // sends. Errors as Producer::Create; InvalidArgument without a checker.
  static absl::StatusOr<std::unique_ptr<TransactionProducer>> Create(
      ClientOptions options, std::vector<std::string> topics, Checker checker);

  virtual ~TransactionProducer() = default;

  // Stores a message and waits for the broker's answer. Tried again on other brokers as a send is.
  virtual absl::StatusOr<Transaction> Begin(Message message) = 0;
  virtual absl::Status Commit(const Transaction& transaction) = 0;
  virtual absl::Status Rollback(const Transaction& transaction) = 0;
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_TRANSACTION_PRODUCER_H_
