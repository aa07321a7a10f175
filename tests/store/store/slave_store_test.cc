// The store of a slave, and of a master that waits for slaves: state is folded as far as it is
// committed, whatever else the log holds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "store/log/replicated_log.h"
#include "tests/store/support/store_harness.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr QueueKey kQueue{1, 0};

class SlaveStoreTest : public ::testing::Test {
 protected:
  SlaveStoreTest() { slave_.options.role = Role::kSlave; }

  void SetUp() override {
    ASSERT_EQ(master_.Open(), absl::OkStatus());
    ASSERT_EQ(master_.Define(1, 2), absl::OkStatus());
  }

  void Write(int count) {
    for (int n = 0; n < count; ++n) {
      const std::string text = std::to_string(written_++);
      ASSERT_TRUE(master_.Send(kQueue, "message " + text + std::string(2000, 'm')).ok());
      ASSERT_EQ(master_.Put("key " + text, "value"), absl::OkStatus());
    }
  }
  // The slave takes what it lacks; without applying it.
  void CatchUp() {
    ReplicatedLog& from = *master_.store->replicated_log();
    ReplicatedLog& to = *slave_.store->replicated_log();
    for (;;) {
      const auto run = from.ReadFrames(to.Reached().appended, 50'000);
      ASSERT_TRUE(run.ok()) << run.status();
      if (run->bytes.bytes.empty()) return;
      Take(to, std::string(run->bytes.bytes));
    }
  }
  static void Take(ReplicatedLog& log, std::string frames) {
    struct Answer {
      Mutex mutex;
      CondVar changed;
      std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
    };
    const auto answer = std::make_shared<Answer>();
    log.AppendFrames(std::move(frames), [answer](const absl::Status& status) {
      const MutexLock lock(&answer->mutex);
      answer->status = status;
      answer->changed.Signal();
    });
    const MutexLock lock(&answer->mutex);
    while (!answer->status.has_value()) answer->changed.Wait(&answer->mutex);
    ASSERT_EQ(*answer->status, absl::OkStatus());
  }
  void Commit(StoreHarness& harness, LogOffset offset) {
    ReplicatedLog& log = *harness.store->replicated_log();
    log.AllowCommit(offset);
    log.SetMoved([] {});  // comes back when the log thread has done all before it
  }
  LogOffset end() { return master_.store->cursors().appended; }

  StoreHarness master_;
  StoreHarness slave_;
  int written_ = 0;
};

TEST_F(SlaveStoreTest, ASlaveFoldsWhatItsMasterFolded) {
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(60);
  CatchUp();
  EXPECT_EQ(slave_.store->Range(kQueue).next, 0u);
  Commit(slave_, end());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
  EXPECT_EQ(slave_.Contents(kQueue), master_.Contents(kQueue));
  EXPECT_TRUE(absl::IsUnavailable(slave_.Put("a", "b")));
}

TEST_F(SlaveStoreTest, ItsCheckpointEndsWhereTheCommitsEnd) {
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(20);
  CatchUp();
  Commit(slave_, end());
  const std::string digest = slave_.machine->Digest();
  Write(20);
  CatchUp();
  ASSERT_EQ(slave_.store->Checkpoint(), absl::OkStatus());
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  EXPECT_EQ(slave_.store->cursors().appended, end());
  EXPECT_EQ(slave_.machine->Digest(), digest);
  EXPECT_EQ(slave_.machine->replayed(), 0u);
  Commit(slave_, end());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
  EXPECT_EQ(slave_.Contents(kQueue), master_.Contents(kQueue));
  // The reigns are known from the checkpoint: nothing below it was read.
  EXPECT_EQ(slave_.store->replicated_log()->History().epochs.starts(),
            master_.store->replicated_log()->History().epochs.starts());
}

TEST_F(SlaveStoreTest, WhatIsBehindTheCheckpointCanBeCut) {
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(10);
  CatchUp();
  Commit(slave_, end());
  ASSERT_EQ(slave_.store->Checkpoint(), absl::OkStatus());
  const LogOffset checkpoint = end();
  Write(30);
  CatchUp();
  ASSERT_TRUE(slave_.store->Close().ok());
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  ASSERT_EQ(slave_.store->replicated_log()->TruncateTo(checkpoint), absl::OkStatus());
  // Also when the next start finds a log that ends where its checkpoint does.
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  EXPECT_EQ(slave_.store->cursors().appended, checkpoint);
  CatchUp();
  Commit(slave_, end());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
}

TEST_F(SlaveStoreTest, BelowTheCheckpointTheStateIsBuiltAnewFromTheLog) {
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(10);
  CatchUp();
  const LogOffset middle = end();
  Write(30);
  CatchUp();
  Commit(slave_, end());
  ASSERT_EQ(slave_.store->Checkpoint(), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(slave_.store->replicated_log()->TruncateTo(middle)));
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  EXPECT_EQ(slave_.store->cursors().appended, middle);
  EXPECT_TRUE(slave_.store->recovered().rebuilt);
  CatchUp();
  Commit(slave_, end());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
  EXPECT_EQ(slave_.Contents(kQueue), master_.Contents(kQueue));
}

TEST_F(SlaveStoreTest, ASlaveTrimsWithItsMasterAndCanBeRebuiltFromWhatRemains) {
  slave_.options.retention_bytes = master_.options.segment_bytes;  // not its decision
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(150);
  CatchUp();
  master_.options.retention_bytes = 2 * master_.options.segment_bytes;
  ASSERT_EQ(master_.Open(), absl::OkStatus());
  CatchUp();
  Commit(slave_, end());
  ASSERT_EQ(slave_.store->EnforceRetention(), absl::OkStatus());
  EXPECT_EQ(slave_.store->cursors().min, 0u);
  ASSERT_EQ(master_.store->EnforceRetention(), absl::OkStatus());
  CatchUp();
  Commit(slave_, end());
  ASSERT_EQ(slave_.store->EnforceRetention(), absl::OkStatus());
  EXPECT_GT(slave_.store->cursors().min, 0u);
  EXPECT_EQ(slave_.store->cursors().min, master_.store->cursors().min);
  Write(5);
  CatchUp();
  // Without its checkpoint: the fold goes as far as the snapshot, and on when that is committed.
  slave_.Drop();
  ASSERT_TRUE(slave_.checkpoint.Wipe().ok());
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  EXPECT_GT(slave_.store->cursors().applied, slave_.store->cursors().min);
  EXPECT_LT(slave_.store->cursors().applied, end());
  Commit(slave_, end());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
  EXPECT_EQ(slave_.Contents(kQueue), master_.Contents(kQueue));
}

TEST_F(SlaveStoreTest, ASlaveThatIsOpenedAsMasterGoesOnWithAllItHas) {
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  Write(20);
  CatchUp();
  slave_.Drop();
  slave_.options.role = Role::kMaster;
  ASSERT_EQ(slave_.Open(), absl::OkStatus());
  EXPECT_EQ(slave_.machine->Digest(), master_.machine->Digest());
  ASSERT_TRUE(slave_.Send(kQueue, "of the new reign").ok());
  EXPECT_EQ(slave_.store->Range(kQueue).next, master_.store->Range(kQueue).next + 1);
}

TEST_F(SlaveStoreTest, AMasterThatWaitsTakesNothingBeforeItsReignHasBegun) {
  Write(10);
  const std::string digest = master_.machine->Digest();
  master_.options.durability = Durability::kReplica;
  master_.Drop();
  ASSERT_EQ(master_.Open(), absl::OkStatus());
  const absl::Status early = master_.Put("a", "b");
  EXPECT_TRUE(absl::IsUnavailable(early)) << early;
  EXPECT_THAT(std::string(early.message()), HasSubstr("in-sync"));
  Commit(master_, ~LogOffset{0});
  EXPECT_EQ(master_.machine->Digest(), digest);
  EXPECT_EQ(master_.Put("a", "b"), absl::OkStatus());
}

TEST_F(SlaveStoreTest, ClosingDoesNotWaitForSlaves) {
  master_.options.durability = Durability::kReplica;
  master_.options.retention_bytes = master_.options.segment_bytes;
  ASSERT_EQ(master_.Open(), absl::OkStatus());
  Commit(master_, ~LogOffset{0});
  Write(100);
  master_.Drop();
  ASSERT_EQ(master_.Open(), absl::OkStatus());
  Commit(master_, master_.store->cursors().appended);
  std::thread retention([this] { static_cast<void>(master_.store->EnforceRetention()); });
  auto append = std::make_unique<TestAppend>();
  TestMachine::AddPut(*append, "late", "value");
  absl::Status failed;
  append->on_failed = [&failed](const absl::Status& status) { failed = status; };
  ASSERT_EQ(master_.store->Submit(std::move(append)), absl::OkStatus());
  static_cast<void>(master_.store->Close());
  retention.join();
  EXPECT_TRUE(absl::IsUnavailable(failed)) << failed;
}

}  // namespace
}  // namespace mansio::store
