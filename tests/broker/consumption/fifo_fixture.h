#ifndef MANSIO_TESTS_BROKER_CONSUMPTION_FIFO_FIXTURE_H_
#define MANSIO_TESTS_BROKER_CONSUMPTION_FIFO_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {

// A FIFO group on a topic of one queue, and another group that takes its dead letters.
class FifoFixture : public testing::Test {
 protected:
  void Send(const std::string& body, const std::string& message_group = "red") {
    h_->Send(body, 0, "", {}, message_group);
  }
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_->Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  static std::vector<std::string> Bodies(const std::vector<v2::Message>& messages) {
    std::vector<std::string> bodies;
    for (const v2::Message& m : messages) bodies.push_back(m.body());
    return bodies;
  }
  static std::vector<int> Attempts(const std::vector<v2::Message>& messages) {
    std::vector<int> attempts;
    for (const v2::Message& m : messages) {
      attempts.push_back(m.system_properties().delivery_attempt());
    }
    return attempts;
  }
  std::vector<std::string> DeadLetters() {
    return Bodies(Get({.group = "undertaker", .topic = "%DLQ%workers"}));
  }

  std::unique_ptr<Harness> h_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CONSUMPTION_FIFO_FIXTURE_H_
