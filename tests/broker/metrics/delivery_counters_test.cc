// What the consumption of a group counts, and where it says that the group stands.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;

struct Counted {
  uint64_t first = 0, retried = 0, dead_letters = 0;
  friend bool operator==(const Counted&, const Counted&) = default;
};

class DeliveryCountersTest : public testing::Test {
 protected:
  DeliveryCountersTest() {
    h.CreateTopic();
    h.CreateGroup(StartPolicy::kEarliest, kGroup, 2);
  }
  std::vector<Counted> All() {
    std::vector<Counted> all;
    h.life().consumption->deliveries().Visit([&all](DeliveryCounters::Key,
                                                    const GroupTopicCounters& c) {
      all.push_back({c.first.messages.value(), c.retried.messages.value(), c.dead_letters.value()});
      return true;
    });
    return all;
  }
  QueueConsumption Position() {
    return h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup)).front();
  }
  Harness h;
};

TEST_F(DeliveryCountersTest, DeliveriesRetriesAndDeadLettersAreToldApart) {
  EXPECT_TRUE(All().empty());
  h.Send("a");
  h.Send("b");
  const auto messages = Harness::Messages(h.Receive());
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_THAT(All(), ElementsAre(Counted{2, 0, 0}));
  h.Ack({messages[0].system_properties().receipt_handle()});
  h.Advance(absl::Seconds(31));  // the lease of the other ends: its second and last delivery
  ASSERT_EQ(Harness::Messages(h.Receive()).size(), 1u);
  EXPECT_THAT(All(), ElementsAre(Counted{2, 1, 0}));
  h.Advance(absl::Seconds(31));
  EXPECT_THAT(All(), ElementsAre(Counted{2, 1, 1}));
}

TEST_F(DeliveryCountersTest, WhatIsVisitedAndNotWantedIsForgotten) {
  h.Send("a");
  h.Receive();
  h.life().consumption->deliveries().Visit(
      [](DeliveryCounters::Key, const GroupTopicCounters&) { return false; });
  EXPECT_TRUE(All().empty());
}

TEST_F(DeliveryCountersTest, TheOldestMessageIsTheFirstThatIsNotFinished) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  const auto messages = Harness::Messages(h.Receive({.batch = 2}));
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(Position().oldest, 0u);
  EXPECT_EQ(Position().cursor, 2u);
  EXPECT_EQ(h.life().consumption->usage().leases, 2u);
  h.Ack({messages[0].system_properties().receipt_handle()});
  EXPECT_EQ(Position().oldest, 1u);
  h.Ack({messages[1].system_properties().receipt_handle()});
  EXPECT_EQ(Position().oldest, 2u);
  const auto last = Harness::Messages(h.Receive());
  ASSERT_EQ(last.size(), 1u);
  h.Ack({last[0].system_properties().receipt_handle()});
  EXPECT_EQ(Position().oldest, Position().next);
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  EXPECT_EQ(h.life().consumption->usage().parked_receives, 1u);
}

}  // namespace
}  // namespace mansio::broker
