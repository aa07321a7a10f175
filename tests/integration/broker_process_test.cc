// The life of a real mansio-broker: start, service, kill, end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/integration/server_process.h"

namespace mansio::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr absl::Duration kLease = absl::Seconds(30);
constexpr absl::Duration kWait = absl::Seconds(20);

TEST(BrokerProcessTest, ServesPlaintextAndTlsOnOnePortAndEndsInOrder) {
  BrokerProcess broker;
  const std::string ready = broker.Start();
  EXPECT_THAT(ready, HasSubstr(broker.address()));
  EXPECT_THAT(ready, HasSubstr("durability sync"));
  EXPECT_THAT(broker.Log(), HasSubstr("self-signed"));
  ASSERT_TRUE(broker.CreateTopic("orders", 4).ok());

  for (const bool tls : {false, true}) {
    const auto consumer = broker.Consumer(tls ? "g-tls" : "g-plain", "orders", tls);
    ASSERT_TRUE(consumer->Receive(1, kLease, absl::ZeroDuration()).ok());  // fixes its position
    const auto receipt = broker.Producer(tls)->Send(MessageTo("orders", "hello"));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_TRUE(receipt->status.ok()) << receipt->status;

    std::vector<std::string> bodies;
    while (bodies.empty()) {
      const auto received = consumer->Receive(32, kLease, kWait);
      ASSERT_TRUE(received.ok()) << received.status();
      for (const client::ReceivedMessage& message : *received) {
        if (message.message_id == receipt->message_id) bodies.push_back(message.body);
        EXPECT_FALSE(message.corrupted);
        EXPECT_TRUE(consumer->Ack(message).ok());
      }
    }
    EXPECT_EQ(bodies, std::vector<std::string>{"hello"});
  }
  EXPECT_EQ(broker.Stop(), 0) << broker.Log();
}

TEST(BrokerProcessTest, WhatWasAcknowledgedIsThereAfterKillAndAfterAnOrderlyEnd) {
  for (const char* durability : {"durability=sync", "durability=async"}) {
    BrokerProcess broker({durability});
    broker.Start();
    ASSERT_TRUE(broker.CreateTopic("orders").ok());
    ASSERT_TRUE(broker.CreateEarliestGroup("billing").ok());
    int64_t next = 0;
    for (const bool kill : {true, false}) {
      for (int i = 0; i < 20; ++i) {
        const auto receipt = broker.Producer()->Send(MessageTo("orders", std::to_string(next)));
        ASSERT_TRUE(receipt.ok()) << receipt.status();
        EXPECT_EQ(receipt->queue_offset, next++);
      }
      if (kill) {
        broker.Kill();
      } else {
        EXPECT_EQ(broker.Stop(), 0);
      }
      broker.Start();
    }
    const auto consumer = broker.Consumer("billing", "orders");
    std::vector<int> bodies;
    while (bodies.size() < 40) {
      const auto received = consumer->Receive(32, kLease, kWait);
      ASSERT_TRUE(received.ok()) << received.status();
      ASSERT_FALSE(received->empty()) << "after " << bodies.size() << " messages";
      for (const auto& message : *received) bodies.push_back(std::stoi(message.body));
    }
    for (int i = 0; i < 40; ++i) EXPECT_EQ(bodies[i], i);
    EXPECT_EQ(broker.Stop(), 0);
  }
}

TEST(BrokerProcessTest, AParkedReceiveIsAnsweredWhenTheBrokerEnds) {
  BrokerProcess broker;
  broker.Start();
  ASSERT_TRUE(broker.CreateTopic("orders").ok());
  const auto consumer = broker.Consumer("billing", "orders");
  absl::StatusOr<std::vector<client::ReceivedMessage>> received;
  std::thread waiting([&] { received = consumer->Receive(1, kLease, kWait); });
  // The group appears with the receive; it is parked from then on, or answered at once while
  // ending.
  const auto admin = broker.Admin();
  auto groups = admin->ListGroups();
  while (groups.ok() && groups->groups_size() == 0) groups = admin->ListGroups();
  EXPECT_TRUE(groups.ok()) << groups.status();
  EXPECT_EQ(broker.Stop(), 0) << broker.Log();
  waiting.join();
}

TEST(BrokerProcessTest, AnEndThatIsAskedForBeforeItIsReadyIsTakenAtOnce) {
  const TemporaryDirectory directory;
  // The signal waits from before the start on.
  const Finished ended = RunToEnd(
      "/usr/bin/env", {"--block-signal=TERM", "/bin/sh", "-c", "kill -TERM $$; exec \"$0\" \"$@\"",
                       Binary("mansio-broker"), "--set", "listen=" + FreeAddress(), "--set",
                       "store.path=" + directory.Path("data")});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("Ended"));
  EXPECT_THAT(ended.err, Not(HasSubstr("ready on")));
}

TEST(BrokerProcessTest, AnAdvertisedAddressThatCannotBeReachedIsAWarningWithTheCure) {
  BrokerProcess broker({"advertise=" + FreeAddress()});
  broker.Start();
  const std::string warning = broker.WaitForLog("cannot be reached");
  EXPECT_THAT(warning, HasSubstr("advertise=HOST:PORT"));
  EXPECT_EQ(broker.Stop(), 0);
}

}  // namespace
}  // namespace mansio::testing
