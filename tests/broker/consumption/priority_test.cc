#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;

// A PRIORITY topic of three queues; the number of a queue is the priority of what is in it.
class PriorityTest : public testing::Test {
 protected:
  void Begin(bool guard, bool fifo_group = false) {
    TopicRecord topic;
    topic.name = kTopic;
    topic.type = MessageType::kPriority;
    topic.queues = 3;
    topic.priority_guard = guard;
    h_.CreateTopic(topic);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, 17, fifo_group);
  }
  std::vector<std::string> Get(int batch) {
    const ReceiveCall call = h_.Receive({.batch = batch});
    if (!call->finished()) call->Cancel();
    return Harness::Bodies(call);
  }
  // Of that many receives of one message each, with enough of both kinds there.
  int LowOnes(int receives) {
    for (int i = 0; i < receives; ++i) {
      h_.Send("low", 0);
      h_.Send("high", 2);
    }
    int low = 0;
    for (int i = 0; i < receives; ++i) {
      const auto got = Get(1);
      EXPECT_EQ(got.size(), 1u);
      low += !got.empty() && got[0] == "low";
    }
    return low;
  }
  Harness h_;
};

TEST_F(PriorityTest, HigherPrioritiesComeFirst) {
  Begin(false);
  h_.Send("low", 0);
  h_.Send("middle", 1);
  h_.Send("high", 2);
  h_.Send("high, too", 2);
  EXPECT_THAT(Get(1), ElementsAre("high"));
  EXPECT_THAT(Get(2), ElementsAre("high, too", "middle"));
  h_.Send("late", 2);
  EXPECT_THAT(Get(32), ElementsAre("late", "low"));
}

TEST_F(PriorityTest, LowerOnesWaitWhileThereAreHigherOnes) {
  Begin(false);
  EXPECT_EQ(LowOnes(40), 0);
}

TEST_F(PriorityTest, TheGuardServesLowerOnes) {
  Begin(true);
  // Every eighth receive takes from the queue whose turn it is: low, high, low, high, low.
  EXPECT_EQ(LowOnes(40), 3);
}

TEST_F(PriorityTest, AFifoGroupTakesTheQueuesInTurn) {
  Begin(false, true);
  h_.Send("low", 0);
  h_.Send("high", 2);
  EXPECT_THAT(Get(32), ElementsAre("low", "high"));
}

TEST_F(PriorityTest, OldMessagesKeepTheirOrder) {
  Begin(false);
  h_.Send("low", 0);
  h_.Send("high", 2);
  h_.store().SetHot(false, false);
  EXPECT_THAT(Get(1), ElementsAre("high"));
  EXPECT_THAT(Get(1), ElementsAre("low"));
}

}  // namespace
}  // namespace mansio::broker
