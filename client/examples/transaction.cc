// Commits one order and rolls one back; a third is left open, until the broker asks the checker.
// Usage: example_transaction [ENDPOINT [TOPIC]]      (mansio topic create TOPIC --type transaction)

#include <iostream>
#include <string>

#include "absl/synchronization/notification.h"
#include "client/lib/transaction_producer.h"

using mansio::client::Message;
using mansio::client::Resolution;
using mansio::client::Transaction;
using mansio::client::TransactionProducer;

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return 1;
}

absl::StatusOr<Transaction> Begin(TransactionProducer& producer, const std::string& topic,
                                  const std::string& body) {
  Message message;
  message.topic = topic;
  message.body = body;
  return producer.Begin(message);
}

}  // namespace

int main(int argc, char** argv) {
  mansio::client::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const std::string topic = argc > 2 ? argv[2] : "orders";

  // An application would look up whether its own database has the order.
  absl::Notification checked;
  const auto checker = [&checked](const mansio::client::ReceivedMessage& message) {
    if (message.body != "order 3") return Resolution::kUnknown;
    if (!checked.HasBeenNotified()) checked.Notify();
    return Resolution::kCommit;
  };
  auto producer = TransactionProducer::Create(options, {topic}, checker);
  if (!producer.ok()) return Fail(producer.status());

  const auto first = Begin(**producer, topic, "order 1");
  if (!first.ok()) return Fail(first.status());
  if (absl::Status ended = (*producer)->Commit(*first); !ended.ok()) return Fail(ended);
  std::cout << "order 1 committed" << std::endl;

  const auto second = Begin(**producer, topic, "order 2");
  if (!second.ok()) return Fail(second.status());
  if (absl::Status ended = (*producer)->Rollback(*second); !ended.ok()) return Fail(ended);
  std::cout << "order 2 rolled back" << std::endl;

  const auto third = Begin(**producer, topic, "order 3");
  if (!third.ok()) return Fail(third.status());
  checked.WaitForNotification();
  producer->reset();  // waits for what the checker has begun
  std::cout << "order 3 committed by its check" << std::endl;
  return 0;
}
