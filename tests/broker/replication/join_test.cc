// How a slave comes into the in-sync set of a master that goes on meanwhile.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/broker/replication/group.h"
#include "tests/broker/replication/slow_election.h"

namespace mansio::broker::testing {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

// Notes how much was committed at each proposal, too.
class NotingElection final : public SlowElection {
 public:
  explicit NotingElection(Group* group) : group_(group) {}
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores) override {
    committed = group_->at(group_->master()).log->log->cursors().committed;
    return SlowElection::ProposeInSync(std::move(members), std::move(stores));
  }

  store::LogOffset committed = 0;  // at the last proposal

 private:
  Group* const group_;
};

class JoinTest : public ::testing::TestWithParam<Durability> {
 protected:
  // Something is sent in each round, and what the slave says of the round before comes after the
  // master has looked: the slave is never seen with everything.
  void Round(BrokerId slave) {
    SendAndLook();
    Answer(slave);
  }
  void SendAndLook() {
    group_.clock.Advance(absl::Milliseconds(1));
    auto outcome = std::make_shared<Outcome>();
    EXPECT_TRUE(group_.Send("note", outcome));
    outcomes_.push_back(std::move(outcome));
    EXPECT_TRUE(group_.at(1).log->log->SyncAll().ok());
    group_.Tick(1);
  }
  void Answer(BrokerId slave) {
    group_.ToMaster(slave);
    while (group_.at(slave).link != nullptr && ToSlave(slave)) {
    }
    group_.at(slave).slave->Tick();
  }
  bool ToSlave(BrokerId slave) {
    v1::MasterMessage message;
    if (!group_.at(slave).link->TakeForSlave(&message)) return false;
    group_.at(slave).slave->Received(std::move(message));
    group_.Settle(slave);
    return true;
  }
  // A master that is alone, and has acknowledged some.
  void StartAlone() {
    group_.StartMaster(1);
    group_.Tick(1);
    for (int n = 0; n < 5; ++n) {
      outcomes_.push_back(std::make_shared<Outcome>());
      EXPECT_TRUE(group_.Send("note", outcomes_.back()));
      group_.Tick(1);
    }
    EXPECT_EQ(Uncommitted(), 0u);
  }
  // The slave lacks what was sent last, and the master waits for it.
  void AwaitNearlyThere() {
    StartAlone();
    group_.StartSlave(2);
    group_.Connect(2);
    for (int n = 0; n < 20; ++n) {
      SendAndLook();
      if (Uncommitted() > 0) break;
      Answer(2);
    }
    ASSERT_GT(Uncommitted(), 0u);
    ASSERT_THAT(group_.present()->InSync(), ElementsAre(1));
  }
  store::LogOffset Uncommitted() {
    const store::Cursors cursors = group_.at(1).log->log->cursors();
    return cursors.appended - cursors.committed;
  }

  Group group_{3, GetParam(), 1};
  std::vector<std::shared_ptr<Outcome>> outcomes_;
};

TEST_P(JoinTest, ASlaveJoinsAlsoWhileTheLoadNeverRests) {
  StartAlone();
  group_.StartSlave(2);
  group_.Connect(2);
  for (int n = 0; n < 20; ++n) Round(2);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  group_.Heal(/*rounds=*/5);
  EXPECT_EQ(Uncommitted(), 0u);
  for (const auto& outcome : outcomes_) EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  EXPECT_THAT(group_.Applied(2), SizeIs(outcomes_.size()));
}

TEST_P(JoinTest, WhereEtcdHasTheSetOneThatJoinsHoldsAllThatWasCommitted) {
  NotingElection election(&group_);
  group_.election = &election;
  StartAlone();
  group_.StartSlave(2);
  group_.Connect(2);
  for (int n = 0; n < 20 && election.proposed.empty(); ++n) Round(2);
  EXPECT_THAT(election.proposed, ElementsAre(Pair(std::set<BrokerId>{1, 2}, _)));
  EXPECT_LE(election.committed, group_.at(2).log->log->cursors().appended);
  // Until that is recorded nothing is committed that only the master has.
  for (int n = 0; n < 20; ++n) {
    Round(2);
    EXPECT_LE(group_.at(1).log->log->cursors().committed,
              group_.at(2).log->log->cursors().appended);
  }
  group_.present()->InSyncRecorded({1, 2});
  group_.Heal(/*rounds=*/5);
  EXPECT_EQ(Uncommitted(), 0u);
  EXPECT_THAT(election.proposed, SizeIs(1));
  group_.Down(1);
}

TEST_P(JoinTest, OneThatStandsStillIsNotWaitedForLong) {
  AwaitNearlyThere();
  group_.clock.Advance(absl::Seconds(1));
  group_.Tick(1);
  EXPECT_EQ(Uncommitted(), 0u);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1));
}

TEST_P(JoinTest, OneThatGoesOnItsWayIsNotWaitedFor) {
  AwaitNearlyThere();
  group_.Disconnect(2);
  group_.Tick(1);
  EXPECT_EQ(Uncommitted(), 0u);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1));
}

INSTANTIATE_TEST_SUITE_P(Durabilities, JoinTest,
                         ::testing::Values(Durability::kReplica, Durability::kReplicaSync));

}  // namespace
}  // namespace mansio::broker::testing
