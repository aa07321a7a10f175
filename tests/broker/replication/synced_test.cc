// With replica-sync only what is on the disk counts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "tests/broker/replication/group.h"
#include "tests/broker/replication/slow_election.h"

namespace mansio::broker::testing {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

class SyncedTest : public ::testing::Test {
 protected:
  SyncedTest() { group_.log_durability = Durability::kReplica; }
  ~SyncedTest() override { group_.Down(1); }

  // Everything is delivered, and the master's disk has it.
  void Exchange() {
    group_.Connect(2);
    for (int round = 0; round < 20; ++round) {
      group_.clock.Advance(absl::Milliseconds(100));
      static_cast<void>(group_.at(1).log->log->SyncAll());
      group_.Tick(1);
      group_.ToMaster(2);
      group_.ToSlave(2);
      group_.Tick(2);
    }
  }
  void SyncSlave() { ASSERT_EQ(group_.at(2).log->log->SyncAll(), absl::OkStatus()); }
  store::Cursors Slave() { return group_.at(2).log->log->cursors(); }

  SlowElection election_;
  Group group_{2, Durability::kReplicaSync, 1};
};

TEST_F(SyncedTest, WhoMayBeElectedHasSyncedWhatWasAcknowledgedWithoutIt) {
  group_.election = &election_;
  group_.StartMaster(1);
  group_.StartSlave(2);
  Exchange();
  ASSERT_EQ(Slave().appended, group_.at(1).log->log->cursors().committed);
  ASSERT_LT(Slave().synced, Slave().appended);
  EXPECT_THAT(election_.proposed, IsEmpty());
  SyncSlave();
  Exchange();
  EXPECT_THAT(election_.proposed, ElementsAre(Pair(std::set<BrokerId>({1, 2}), _)));
}

TEST_F(SyncedTest, ASlaveHoldsAllWhenItsDiskDoes) {
  group_.election = &election_;
  group_.StartMaster(1);
  group_.StartSlave(2);
  Exchange();
  ASSERT_LT(Slave().synced, Slave().appended);
  EXPECT_FALSE(group_.at(2).holds_all);
  SyncSlave();
  Exchange();
  EXPECT_TRUE(group_.at(2).holds_all);
}

// With static roles; where the master is elected etcd would have to record the sets.
class StandingDiskTest : public SyncedTest {
 protected:
  StandingDiskTest() {
    group_.max_lag = absl::Seconds(5);
    group_.StartMaster(1);
    group_.StartSlave(2);
    Exchange();
    SyncSlave();
    Exchange();
    SyncSlave();  // the record of the set
    Exchange();
    EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  }
  void LetMaxLagPass() {
    for (int n = 0; n < 3; ++n) Exchange();  // two seconds each
  }
  std::shared_ptr<Outcome> Send(const std::string& text) {
    auto outcome = std::make_shared<Outcome>();
    EXPECT_TRUE(group_.Send(text, outcome)) << text;
    return outcome;
  }
};

TEST_F(StandingDiskTest, AMemberWhoseDiskStandsStillLeavesTheSetAlthoughItHoldsEverything) {
  const auto sent = Send("one");
  LetMaxLagPass();
  ASSERT_EQ(Slave().appended, group_.at(1).log->log->cursors().appended);
  ASSERT_LT(Slave().synced, Slave().appended);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1));
  ASSERT_GT(group_.at(1).log->log->cursors().committed, Slave().synced);
  EXPECT_EQ(sent->Wait(), absl::OkStatus());
}

TEST_F(StandingDiskTest, ItComesAgainWhenItsDiskDoes) {
  Send("one");
  LetMaxLagPass();
  const store::LogOffset before = group_.at(1).log->log->cursors().appended;
  const auto sent = Send("two");
  LetMaxLagPass();
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1)) << "it is not waited for again";
  ASSERT_GT(group_.at(1).log->log->cursors().committed, before);
  EXPECT_EQ(sent->Wait(), absl::OkStatus());
  for (int n = 0; n < 3; ++n) {
    SyncSlave();
    Exchange();
  }
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
}

// What etcd has recorded is known between two looks of the master.
TEST_F(SyncedTest, WhereEtcdHasTheSetAStandingDiskIsNotWaitedForAgainEither) {
  group_.max_lag = absl::Seconds(5);
  group_.election = &election_;
  group_.StartMaster(1);
  group_.StartSlave(2);
  Exchange();
  SyncSlave();
  Exchange();
  ASSERT_THAT(election_.proposed, ElementsAre(Pair(std::set<BrokerId>({1, 2}), _)));
  group_.present()->InSyncRecorded({1, 2});
  auto sent = std::make_shared<Outcome>();
  ASSERT_TRUE(group_.Send("one", sent));
  for (int n = 0; n < 3; ++n) Exchange();
  ASSERT_THAT(election_.proposed, SizeIs(2));
  EXPECT_EQ(election_.proposed.back().first, std::set<BrokerId>({1}));
  group_.present()->InSyncRecorded({1});
  for (int n = 0; n < 3; ++n) Exchange();
  EXPECT_THAT(election_.proposed, SizeIs(2)) << "it was proposed again";
  ASSERT_GT(group_.at(1).log->log->cursors().committed, Slave().synced);
  EXPECT_EQ(sent->Wait(), absl::OkStatus());
  SyncSlave();
  Exchange();
  EXPECT_THAT(election_.proposed, SizeIs(3));
}

// Under a load that never rests it has never synced what was committed meanwhile.
TEST_F(StandingDiskTest, ASlowDiskJoinsUnderLoad) {
  Send("one");
  LetMaxLagPass();
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1));
  for (int n = 0; n < 100 && group_.present()->InSync().size() < 2; ++n) {
    Send("more");
    group_.clock.Advance(absl::Milliseconds(100));
    static_cast<void>(group_.at(1).log->log->SyncAll());
    group_.Tick(1);
    // It syncs what it had before the last messages came.
    if (n % 5 == 4) SyncSlave();
    for (int round = 0; round < 4; ++round) {
      group_.ToMaster(2);
      group_.ToSlave(2);
    }
    group_.Tick(2);
  }
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace mansio::broker::testing
