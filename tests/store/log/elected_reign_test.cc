// The log of an elected master: its epoch, and commits that need a permit.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "tests/store/log/replication_testing.h"

namespace mansio::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Epoch kReign = 7;

class ElectedReignTest : public ::testing::TestWithParam<Durability> {
 protected:
  std::unique_ptr<TestLog> Open(Epoch reign = kReign) {
    StoreOptions options = MasterOptions(GetParam());
    options.reign = reign;
    auto log = std::make_unique<TestLog>(&disk_, options);
    log->may_commit = [this] { return permit_.load(); };
    return log;
  }
  // All that members can say is said, and all that is due is done.
  void Confirm(TestLog& log) {
    log.log->replicated()->AllowCommit(log.log->cursors().appended);
    log.Settle();
    log.Settle();
  }

  RecordingFileSystem disk_;
  std::atomic<bool> permit_{true};
};

TEST_P(ElectedReignTest, TheEpochIsTheElectionsAndNoOther) {
  auto log = Open();
  ASSERT_EQ(log->Begin(), absl::OkStatus());
  EXPECT_EQ(log->log->epoch(), kReign);
  log = nullptr;
  for (const Epoch late : {kReign - 1, kReign}) {
    const absl::Status refused = Open(late)->Begin();
    EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("has epoch 7 already"));
  }
  log = Open(kReign + 1);
  ASSERT_EQ(log->Begin(), absl::OkStatus());
  EXPECT_EQ(log->log->epoch(), kReign + 1);
}

TEST_P(ElectedReignTest, NoEpochFollowsTheLastOne) {
  const absl::Status beyond = Open(kMaxEpoch + 1)->Begin();
  EXPECT_TRUE(absl::IsFailedPrecondition(beyond)) << beyond;
  auto log = Open(kMaxEpoch);
  ASSERT_EQ(log->Begin(), absl::OkStatus());
  log = nullptr;
  const absl::Status after = Open(0)->Begin();
  EXPECT_TRUE(absl::IsFailedPrecondition(after)) << after;
  EXPECT_THAT(std::string(after.message()), HasSubstr("no epoch is left"));
}

TEST_P(ElectedReignTest, NothingIsAcknowledgedWithoutAPermitAndNothingIsLost) {
  auto log = Open();
  ASSERT_EQ(log->Begin(), absl::OkStatus());
  Confirm(*log);
  ASSERT_EQ(log->log->cursors().applied, log->log->cursors().appended);
  const auto before = std::make_shared<Outcome>();
  ASSERT_EQ(log->log->Submit(log->Note("before", before)), absl::OkStatus());
  log->Settle();
  Confirm(*log);
  EXPECT_EQ(before->Wait(), absl::OkStatus());

  permit_ = false;
  const LogOffset applied = log->log->cursors().applied;
  const auto held_back = std::make_shared<Outcome>();
  ASSERT_EQ(log->log->Submit(log->Note("held back", held_back)), absl::OkStatus());
  log->Settle();
  Confirm(*log);
  EXPECT_TRUE(held_back->appended());
  EXPECT_GT(log->log->cursors().appended, applied);
  EXPECT_EQ(log->log->cursors().committed, applied);
  EXPECT_EQ(log->log->cursors().applied, applied);
  EXPECT_THAT(Texts(log->observer.seen()), ElementsAre("before"));

  permit_ = true;
  Confirm(*log);
  EXPECT_EQ(held_back->Wait(), absl::OkStatus());
  EXPECT_EQ(log->log->cursors().applied, log->log->cursors().appended);
  EXPECT_THAT(Texts(log->observer.seen()), ElementsAre("before", "held back"));
}

TEST_P(ElectedReignTest, AReignThatIsOverFailsWhatWaits) {
  auto log = Open();
  permit_ = false;
  ASSERT_EQ(log->Begin(), absl::OkStatus());
  const auto outcome = std::make_shared<Outcome>();
  ASSERT_EQ(log->log->Submit(log->Note("in vain", outcome)), absl::OkStatus());
  log->Settle();
  Confirm(*log);
  EXPECT_EQ(log->log->cursors().applied, 0u) << "not even the beginning of the reign";
  log->log->replicated()->StopCommits();
  EXPECT_TRUE(absl::IsUnavailable(outcome->Wait()));
  EXPECT_THAT(log->observer.seen(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Durabilities, ElectedReignTest,
                         ::testing::Values(Durability::kAsync, Durability::kSync,
                                           Durability::kReplica, Durability::kReplicaSync));

}  // namespace
}  // namespace mansio::store::testing
