#ifndef MANSIO_TESTS_BROKER_DEADLETTER_DEAD_LETTER_HARNESS_H_
#define MANSIO_TESTS_BROKER_DEADLETTER_DEAD_LETTER_HARNESS_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {

// A broker with a group of one attempt, so that what it does not acknowledge is a dead letter.
class DeadLetterTest : public testing::Test {
 protected:
  DeadLetterTest() {
    h_.CreateTopic();
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, /*max_attempts=*/1);
    h_.CreateGroup(StartPolicy::kEarliest, "others");
  }

  // What a receive gets, without waiting.
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_.Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  std::vector<std::string> Bodies(const ReceiveArguments& a = {}) {
    std::vector<std::string> bodies;
    for (const v2::Message& m : Get(a)) bodies.push_back(m.body());
    return bodies;
  }
  // What the group has received is not acknowledged in time.
  void Fail() {
    Get();
    h_.Advance(absl::Seconds(31));
  }
  // Sends messages that become dead letters.
  void Kill(const std::vector<std::string>& bodies, const std::string& tag = "") {
    for (const std::string& body : bodies) h_.Send(body, 0, tag, {{"colour", body}});
    Fail();
  }
  std::vector<std::string> Letters(const std::string& group = kGroup) {
    std::vector<std::string> ids;
    const auto list = h_.ListDeadLetters(1000, group);
    EXPECT_EQ(list.total(), list.dead_letters_size());
    for (const auto& letter : list.dead_letters()) ids.push_back(letter.message_id());
    return ids;
  }
  static v1::ResendDeadLettersRequest ResendRequest() {
    v1::ResendDeadLettersRequest request;
    request.set_group(kGroup);
    return request;
  }
  v1::ResendDeadLettersResponse Resend(const v1::ResendDeadLettersRequest& request) {
    return h_.Admin<v1::ResendDeadLettersResponse>("ResendDeadLetters", request);
  }

  Harness h_;
};

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_DEADLETTER_DEAD_LETTER_HARNESS_H_
