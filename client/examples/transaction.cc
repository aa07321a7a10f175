// Commits one order and rolls one back; a third is left to the checker, which the broker asks.
// Usage: example_transaction [ENDPOINT [TOPIC]]      (mansio topic create TOPIC --type transaction)

#include <iostream>
#include <string>

#include "client/lib/transaction_producer.h"

using mansio::client::Message;
using mansio::client::Resolution;
using mansio::client::TransactionProducer;

namespace {

int Fail(const absl::Status& status) {
  std::cerr << "error: " << status.message() << "\n";
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  mansio::client::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const std::string topic = argc > 2 ? argv[2] : "orders";

  // An application would look up whether its own database has the order.
  const auto checker = [](const mansio::client::ReceivedMessage& message) {
    return message.body == "order 3" ? Resolution::kCommit : Resolution::kUnknown;
  };
  auto producer = TransactionProducer::Create(options, {topic}, checker);
  if (!producer.ok()) return Fail(producer.status());
  for (int number = 1; number <= 3; ++number) {
    Message message;
    message.topic = topic;
    message.body = "order " + std::to_string(number);
    auto transaction = (*producer)->Begin(message);
    if (!transaction.ok()) return Fail(transaction.status());
    absl::Status ended;
    if (number == 1) ended = (*producer)->Commit(*transaction);
    if (number == 2) ended = (*producer)->Rollback(*transaction);
    if (!ended.ok()) return Fail(ended);
    std::cout << message.body
              << (number == 1   ? " committed\n"
                  : number == 2 ? " rolled back\n"
                                : " left open\n");
  }
  std::cout << "press Enter when the broker has asked about the third\n";
  std::cin.get();
  return 0;
}
