// Sends ten messages.  Usage: example_producer [ENDPOINT [TOPIC]]

#include "client/lib/producer.h"

#include <iostream>
#include <string>

int main(int argc, char** argv) {
  mansio::client::ClientOptions options;
  if (argc > 1) options.endpoint = argv[1];
  const std::string topic = argc > 2 ? argv[2] : "quickstart";

  auto producer = mansio::client::Producer::Create(options);
  if (!producer.ok()) {
    std::cerr << "error: " << producer.status().message() << "\n";
    return 1;
  }
  for (int number = 1; number <= 10; ++number) {
    mansio::client::Message message;
    message.topic = topic;
    message.tag = "example";
    message.keys = {"example-" + std::to_string(number)};
    message.body = "message " + std::to_string(number);
    auto receipt = (*producer)->Send(message);
    if (!receipt.ok()) {
      std::cerr << "error: " << receipt.status().message() << "\n";
      return 1;
    }
    std::cout << "sent " << receipt->message_id << "\n";
  }
  return 0;
}
