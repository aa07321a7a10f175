// Slaves that end in order: nobody waits for them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/broker/replication/group.h"
#include "tests/broker/replication/slow_election.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;

class LeaveTest : public ::testing::Test {
 protected:
  void Start(std::initializer_list<BrokerId> slaves) {
    group_.StartMaster(1);
    for (const BrokerId id : slaves) group_.StartSlave(id);
    group_.Heal();
  }
  // It says so, and its process goes on until it is told to end.
  void SayGoodbye(BrokerId id) { ASSERT_TRUE(group_.at(id).slave->SayGoodbye()); }
  bool IsLetGo(BrokerId id) { return group_.at(id).link == nullptr && group_.last_end.ok(); }
  void Send(const std::string& text) {
    ASSERT_TRUE(group_.Send(text, std::make_shared<Outcome>())) << text;
  }
  SlaveState StateOf(BrokerId id) {
    for (const SlaveState& slave : group_.present()->Slaves()) {
      if (slave.id == id) return slave;
    }
    return {};
  }

  Group group_{3, Durability::kReplica, 2};
};

TEST_F(LeaveTest, ASlaveThatEndsInOrderIsNotWaitedFor) {
  Start({2, 3});
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  SayGoodbye(3);
  group_.Exchange();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  EXPECT_TRUE(IsLetGo(3)) << group_.last_end;
  group_.Down(3);
  Send("one");
  group_.Exchange();
  EXPECT_THAT(group_.Applied(1), ElementsAre("one"));
  // It is taken in again like any other.
  group_.StartSlave(3);
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  EXPECT_THAT(group_.Applied(3), ElementsAre("one"));
}

TEST_F(LeaveTest, UntilTheSetIsWithoutItASlaveThatLeavesConfirmsAsBefore) {
  SlowElection election;
  group_.election = &election;
  Start({2, 3});
  group_.present()->InSyncRecorded({1, 2, 3});
  group_.Exchange();
  SayGoodbye(3);
  group_.Exchange();
  EXPECT_EQ(election.proposed.back().first, std::set<BrokerId>({1, 2}));
  EXPECT_NE(group_.at(3).link, nullptr) << "it is not recorded yet";
  EXPECT_FALSE(StateOf(3).connected) << "the group is not to be given to it";
  Send("one");
  group_.Exchange();
  EXPECT_THAT(group_.Applied(1), ElementsAre("one"));
  group_.present()->InSyncRecorded({1, 2});
  group_.Exchange();
  EXPECT_TRUE(IsLetGo(3));
  group_.Down(1);
}

TEST_F(LeaveTest, ASlaveThatIsNeededIsLetGoAndStaysInTheSetUntilAnotherOneHasJoined) {
  Start({2});
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  SayGoodbye(2);
  group_.Exchange();
  EXPECT_TRUE(IsLetGo(2));
  group_.Down(2);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  EXPECT_FALSE(group_.present()->CheckSends().ok());
  group_.StartSlave(3);
  group_.Connect(3);
  group_.Exchange();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 3));
}

TEST_F(LeaveTest, ASlaveThatIsNeededWaitsWhileAnotherOneIsAboutToJoin) {
  Start({2});
  group_.StartSlave(3);
  group_.Connect(3);
  group_.ToMaster(3);
  SayGoodbye(2);
  group_.ToMaster(2);
  group_.Tick(1);
  EXPECT_FALSE(group_.at(2).link->ended());
  group_.Exchange();
  EXPECT_TRUE(IsLetGo(2));
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 3));
}

TEST_F(LeaveTest, WhoLeavesDoesSoBeforeWhoIsSlow) {
  group_.max_lag = absl::Milliseconds(500);
  Start({2, 3});
  // The second is connected and says nothing: it is behind.
  Send("one");
  group_.clock.Advance(absl::Seconds(1));
  SayGoodbye(3);
  for (int n = 0; n < 8; ++n) group_.ToMaster(3);
  group_.Tick(1);
  group_.Exchange();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
}

TEST_F(LeaveTest, AGoodbyeOfAnOlderStreamIsNobodys) {
  Start({2, 3});
  const std::shared_ptr<Link> first = group_.at(3).link;
  v1::SlaveMessage goodbye;
  goodbye.mutable_leave();
  // The process has ended, its next one has come, and the master did not notice the end.
  group_.at(3).link.reset();
  group_.Down(3);
  group_.StartSlave(3);
  group_.clock.Advance(absl::Seconds(2));
  group_.Connect(3);
  group_.ToMaster(3);
  group_.present()->Received(first->session, goodbye);
  group_.Exchange();
  EXPECT_NE(group_.at(3).link, nullptr);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  // And what the first has said in time does not count for the second.
  group_.present()->Received(group_.at(3).link->session, goodbye);
  const std::shared_ptr<Link> second = std::move(group_.at(3).link);
  group_.Down(3);
  group_.StartSlave(3);
  group_.Connect(3);
  group_.Exchange();
  EXPECT_TRUE(second->ended());
  EXPECT_NE(group_.at(3).link, nullptr);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
}

TEST_F(LeaveTest, OnlyWhoFollowsSaysGoodbye) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  EXPECT_FALSE(group_.at(2).slave->SayGoodbye());
  group_.Connect(2);
  EXPECT_FALSE(group_.at(2).slave->SayGoodbye());
  // A strange one.
  const auto link = std::make_shared<Link>();
  const Master::Session session = group_.present()->Opened(link);
  v1::SlaveMessage goodbye;
  goodbye.mutable_leave();
  group_.present()->Received(session, goodbye);
  EXPECT_TRUE(absl::IsInvalidArgument(link->why()));
}

TEST_F(LeaveTest, WithoutASetASlaveIsLetGoAtOnce) {
  Group group(2, Durability::kSync, 1);
  group.StartMaster(1);
  group.StartSlave(2);
  group.Heal();
  ASSERT_TRUE(group.at(2).slave->SayGoodbye());
  group.Exchange();
  EXPECT_EQ(group.at(2).link, nullptr);
  EXPECT_EQ(group.last_end, absl::OkStatus());
}

TEST_F(LeaveTest, AMasterThatWasPromotedDoesNotWaitForWhoHasNotAnswered) {
  Start({2, 3});
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  group_.Down(1);
  group_.Down(2);
  group_.away = {1};
  group_.StartMaster(2);
  EXPECT_LE(group_.present()->Pump(), absl::Milliseconds(10))
      << "its record is about to be flushed";
  group_.Connect(3);
  group_.Exchange();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(2, 3));
  Send("one");
  group_.Exchange();
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  group_.StartSlave(1);
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
}

TEST_F(LeaveTest, AnotherStoreNeedNotWaitForOneThatHasLeft) {
  group_.numbers[3] = 2;
  Start({2});
  SayGoodbye(2);
  group_.Exchange();
  group_.Down(2);
  group_.StartSlave(3);
  group_.Connect(3);
  group_.Exchange();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  Send("one");
  group_.Exchange();
  EXPECT_THAT(group_.Applied(3), ElementsAre("one"));
}

TEST_F(LeaveTest, WhatTheOneBeforeHadIsNotWhatAnotherStoreHas) {
  SlowElection election;
  Group group(3, Durability::kSync, 1);  // members join that are less than half of max-lag behind
  group.election = &election;
  group.numbers[3] = 2;
  group.StartMaster(1);
  group.StartSlave(2);
  group.Heal(/*rounds=*/5);
  group.present()->InSyncRecorded({1, 2});
  for (int n = 0; n < 40; ++n) {
    ASSERT_TRUE(group.Send(std::string(1000, 'x'), std::make_shared<Outcome>()));
  }
  group.Exchange();
  ASSERT_TRUE(group.at(2).slave->SayGoodbye());
  group.Exchange();
  group.present()->InSyncRecorded({1});
  group.Exchange();
  group.Down(2);
  group.StartSlave(3);
  group.Connect(3);
  for (int round = 0; round < 5 && group.at(3).log->log->cursors().appended == 0; ++round) {
    group.Exchange(/*rounds=*/1);
  }
  ASSERT_GT(group.at(3).log->log->cursors().appended, 0u);
  ASSERT_LT(group.at(3).log->log->cursors().appended, group.at(1).log->log->cursors().appended);
  EXPECT_EQ(election.proposed.back().first, std::set<BrokerId>({1}));
  group.Exchange();
  EXPECT_EQ(election.proposed.back().first, std::set<BrokerId>({1, 2}));
  group.Down(1);
}

}  // namespace
}  // namespace mansio::broker::testing
