// With replica-sync only what is on the disk counts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tests/broker/replication/group.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Records nothing.
class ProposalsOnly final : public GroupElection {
 public:
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds) override {
    proposed.push_back(std::move(members));
    return absl::OkStatus();
  }
  void Promised(BrokerId, const Promise&) override {}
  bool AcceptsFrames(store::Epoch) override { return true; }
  std::optional<Promise> PromiseAsked(const PromiseRequest&) override { return std::nullopt; }
  void HoldsAll() override {}
  void IsSecond() override {}

  std::vector<std::set<BrokerId>> proposed;
};

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

  ProposalsOnly election_;
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
  EXPECT_THAT(election_.proposed, ElementsAre(std::set<BrokerId>({1, 2})));
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

}  // namespace
}  // namespace mansio::broker::testing
