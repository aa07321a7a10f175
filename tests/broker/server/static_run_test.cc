#include "broker/server/static_run.h"

#include <gtest/gtest.h>

#include "common/files/recording_file_system.h"

namespace mansio::broker {
namespace {

class StaticRunTest : public ::testing::Test {
 protected:
  StaticRunTest() {
    EXPECT_TRUE(MakeDurableDirectory(files_, "data").ok());
    config_.id = 1;
    config_.store.path = "data";
    config_.store.durability = store::Durability::kReplica;
  }
  StaticRun Boot(const std::string& boot) { return {&files_, config_, boot}; }
  // The role in which the store is opened, and is.
  store::Role Open(StaticRun& run) {
    const absl::StatusOr<BrokerConfig> config = run.Opening(config_);
    EXPECT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(run.Attach(config->store.role, /*is_empty=*/false), absl::OkStatus());
    return config->store.role;
  }

  RecordingFileSystem files_;
  BrokerConfig config_;
};

TEST_F(StaticRunTest, AMasterWhoseMachineWentDownIsASlaveUntilItIsDecided) {
  StaticRun first = Boot("boot-1");
  EXPECT_EQ(Open(first), store::Role::kMaster);
  StaticRun killed = Boot("boot-1");
  EXPECT_EQ(Open(killed), store::Role::kMaster) << "the machine has everything";
  StaticRun run = Boot("boot-2");
  EXPECT_EQ(Open(run), store::Role::kSlave);
  EXPECT_TRUE(run.is_returning());
  EXPECT_FALSE(run.is_whole());
  EXPECT_EQ(Open(run), store::Role::kSlave) << "opened again for another reason";
  run.Decided();
  EXPECT_EQ(Open(run), store::Role::kMaster);
  EXPECT_FALSE(run.is_returning());
  EXPECT_TRUE(run.is_whole());
  StaticRun again = Boot("boot-2");
  EXPECT_EQ(Open(again), store::Role::kMaster);
}

TEST_F(StaticRunTest, AnEndInOrderLosesNothing) {
  StaticRun run = Boot("boot-1");
  Open(run);
  run.StoreWasClosed(absl::OkStatus());
  run.End();
  StaticRun next = Boot("boot-2");
  EXPECT_EQ(Open(next), store::Role::kMaster);
  next.StoreWasClosed(absl::UnavailableError("the disk"));
  next.End();
  StaticRun after = Boot("boot-3");
  EXPECT_EQ(Open(after), store::Role::kSlave);
}

TEST_F(StaticRunTest, ASlaveIsWholeAgainWhenItHasGotEverything) {
  StaticRun first = Boot("boot-1");
  Open(first);
  config_.store.role = store::Role::kSlave;
  StaticRun run = Boot("boot-2");
  Open(run);
  EXPECT_FALSE(run.is_returning());
  EXPECT_FALSE(run.is_whole());
  run.HoldsAll();
  EXPECT_TRUE(run.is_whole());
}

TEST_F(StaticRunTest, WhereTheDiskHasWhatWasAcknowledgedNobodyIsAsked) {
  config_.store.durability = store::Durability::kAsync;
  for (const char* boot : {"boot-1", "boot-2"}) {
    StaticRun run = Boot(boot);
    EXPECT_EQ(Open(run), store::Role::kMaster);
    EXPECT_TRUE(run.is_whole());
  }
}

TEST_F(StaticRunTest, WithReplicaSyncTheMasterAsksThoughItLacksNothingThatWasAcknowledged) {
  config_.store.durability = store::Durability::kReplicaSync;
  StaticRun first = Boot("boot-1");
  EXPECT_EQ(Open(first), store::Role::kMaster);
  StaticRun run = Boot("boot-2");
  EXPECT_EQ(Open(run), store::Role::kSlave);
  EXPECT_TRUE(run.is_returning());
  EXPECT_TRUE(run.is_whole());
  run.Decided();
  EXPECT_EQ(Open(run), store::Role::kMaster);
}

TEST_F(StaticRunTest, WithReplicaSyncWhatBeganEmptyIsNotWhole) {
  config_.store.durability = store::Durability::kReplicaSync;
  config_.store.role = store::Role::kSlave;
  StaticRun run = Boot("boot-1");
  EXPECT_EQ(run.Attach(store::Role::kSlave, /*is_empty=*/true), absl::OkStatus());
  EXPECT_FALSE(run.is_whole());
  run.HoldsAll();
  EXPECT_TRUE(run.is_whole());
}

}  // namespace
}  // namespace mansio::broker
