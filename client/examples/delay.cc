// Delays messages by time and by level, and takes one back. The topic is of type delay.
// Usage: example_delay [ENDPOINT [TOPIC]]

#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/time/clock.h"
#include "client/lib/producer.h"

int main(int argc, char** argv) {
  mansio::client::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const std::string topic = argc > 2 ? argv[2] : "reminders";

  auto producer = mansio::client::Producer::Create(options);
  if (!producer.ok()) {
    std::cerr << "error: " << producer.status().message() << "\n";
    return 1;
  }
  const auto send = [&](mansio::client::Message message) {
    message.topic = topic;
    auto receipt = (*producer)->Send(message);
    if (!receipt.ok()) {
      std::cerr << "error: " << receipt.status().message() << "\n";
      std::exit(1);
    }
    std::cout << "sent " << message.body << "\n";
    return *receipt;
  };

  mansio::client::Message by_time;
  by_time.body = "in two seconds";
  by_time.deliver_at = absl::Now() + absl::Seconds(2);
  send(by_time);

  mansio::client::Message by_level;
  by_level.body = "after level 1, one second";
  by_level.delay_level = 1;
  send(by_level);

  mansio::client::Message recalled;
  recalled.body = "never";
  recalled.deliver_at = absl::Now() + absl::Hours(1);
  const mansio::client::SendReceipt receipt = send(recalled);
  const absl::Status status = (*producer)->Recall(topic, receipt);
  if (!status.ok()) {
    std::cerr << "error: " << status.message() << "\n";
    return 1;
  }
  std::cout << "recalled it\n";
  return 0;
}
