// Receives and acknowledges until ten messages have come.  Usage: example_consumer [ENDPOINT [TOPIC
// [GROUP]]]

#include <iostream>
#include <string>

#include "client/lib/simple_consumer.h"

int main(int argc, char** argv) {
  mansio::client::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const std::string topic = argc > 2 ? argv[2] : "quickstart";
  const std::string group = argc > 3 ? argv[3] : "example";

  auto consumer = mansio::client::SimpleConsumer::Create(options, group);
  absl::Status status = consumer.status();
  if (status.ok()) status = (*consumer)->Subscribe(topic, "example");
  for (int received = 0; status.ok() && received < 10;) {
    // Up to 32 messages, hidden from other consumers for 30 s; waits up to 5 s for the first.
    auto messages = (*consumer)->Receive(32, absl::Seconds(30), absl::Seconds(5));
    status = messages.status();
    if (!status.ok()) break;
    if (messages->empty()) std::cout << "nothing yet\n";
    for (const mansio::client::ReceivedMessage& message : *messages) {
      std::cout << message.body << " (attempt " << message.delivery_attempt << ")\n";
      status = (*consumer)->Ack(message);
      if (!status.ok()) break;
      ++received;
    }
  }
  if (status.ok()) return 0;
  std::cerr << "error: " << status.message() << "\n";
  return 1;
}
