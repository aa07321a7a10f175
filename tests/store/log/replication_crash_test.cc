// Power cuts of a slave: while it takes frames, and at each step of a truncation.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "tests/store/log/replication_testing.h"

namespace mansio::store::testing {
namespace {

using CrashMode = RecordingFileSystem::CrashMode;

// Frames that each claim that all before them was synced, on the master.
void WriteSynced(TestLog& log, int count, const std::string& what) {
  for (int n = 0; n < count; ++n) {
    ASSERT_TRUE(log.Write(what + std::to_string(n) + std::string(n * 211 % 4000, 'y')).ok());
  }
}

RecoveryStart FoldNothing() {
  RecoveryStart start;
  start.fold_until = 0;
  return start;
}

class SlaveCrashTest : public ::testing::TestWithParam<CrashMode> {};

TEST_P(SlaveCrashTest, ATornTailIsNoDamageWhateverTheMasterHadSynced) {
  RecordingFileSystem master_disk;
  TestLog master(&master_disk, MasterOptions(Durability::kSync));
  ASSERT_TRUE(master.Begin().ok());
  WriteSynced(master, 100, "note ");
  const LogOffset end = master.log->cursors().appended;
  const std::string expected = LogBytesOf(master_disk, end);
  RecordingFileSystem slave_disk;
  LogOffset shortest = end;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    std::mt19937_64 random(seed);
    {
      StoreOptions options = SlaveOptions(Durability::kReplica);
      options.flush_interval = absl::Hours(1);  // nothing is synced unless the test says so
      TestLog slave(&slave_disk, options);
      const absl::Status begun = slave.Begin(FoldNothing());
      ASSERT_TRUE(begun.ok()) << "seed " << seed << ": " << begun;
      const LogOffset held = slave.log->cursors().appended;
      ASSERT_EQ(LogBytesOf(slave_disk, held), expected.substr(0, held)) << "seed " << seed;
      shortest = std::min(shortest, held);
      const LogOffset target = held + random() % (40 << 10);
      ASSERT_EQ(CatchUp(master, slave, 1 + random() % 9000, std::min(target, end)),
                absl::OkStatus());
      if (random() % 3 == 0) {
        ASSERT_TRUE(slave.log->SyncAll().ok());
      }
      slave_disk.Crash(GetParam(), seed);
    }
  }
  TestLog slave(&slave_disk, SlaveOptions(Durability::kReplica));
  ASSERT_TRUE(slave.Begin(FoldNothing()).ok());
  ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  EXPECT_EQ(LogBytesOf(slave_disk, end), expected);
  EXPECT_LT(shortest, end) << "no crash has cut anything";
}

TEST_P(SlaveCrashTest, ATruncationIsFinishedAfterACrashAtAnyOfItsSteps) {
  // The slave's disk, with a tail of its own over three segments, all of it synced.
  RecordingFileSystem master_disk;
  RecordingFileSystem parted_disk;
  TestLog master(&master_disk, MasterOptions(Durability::kSync));
  ASSERT_TRUE(master.Begin().ok());
  WriteSynced(master, 20, "common ");
  {
    TestLog slave(&parted_disk, SlaveOptions(Durability::kReplicaSync));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(CatchUp(master, slave), absl::OkStatus());
  }
  {
    TestLog usurper(&parted_disk, MasterOptions(Durability::kSync));
    ASSERT_TRUE(usurper.Begin().ok());
    WriteSynced(usurper, 80, "usurped ");
    ASSERT_GT(usurper.log->cursors().appended, 2 * kSegment);
  }
  WriteSynced(master, 60, "rightful ");
  const LogOffset end = master.log->cursors().appended;
  const std::string expected = LogBytesOf(master_disk, end);

  int crashes = 0;
  bool finished = false;
  for (uint64_t step = 1; !finished; ++step) {
    SCOPED_TRACE(step);
    const auto disk = parted_disk.CrashCopy(CrashMode::kDropAll, 0);
    {
      TestLog slave(disk.get(), SlaveOptions(Durability::kReplicaSync));
      ASSERT_TRUE(slave.Begin(FoldNothing()).ok());
      const auto common =
          CommonPoint(master.log->replicated()->History(), slave.log->replicated()->History());
      ASSERT_TRUE(common.has_value());
      disk->PowerOffAt(disk->operations() + step);
      finished = slave.log->replicated()->TruncateTo(*common).ok();
      disk->Crash(GetParam(), step);
    }
    crashes += finished ? 0 : 1;
    // Once more, while a start finishes it.
    if (step % 2 == 0) {
      disk->PowerOffAt(disk->operations() + step / 2);
      TestLog slave(disk.get(), SlaveOptions(Durability::kReplicaSync));
      slave.Begin(FoldNothing()).IgnoreError();
      slave.log.reset();
      disk->Crash(GetParam(), step + 1000);
    }
    TestLog slave(disk.get(), SlaveOptions(Durability::kReplicaSync));
    const absl::Status begun = slave.Begin(FoldNothing());
    ASSERT_TRUE(begun.ok()) << begun;
    ASSERT_EQ(Follow(master, slave), absl::OkStatus());
    ASSERT_EQ(LogBytesOf(*disk, end), expected);
  }
  EXPECT_GT(crashes, 8);
}

INSTANTIATE_TEST_SUITE_P(Modes, SlaveCrashTest,
                         ::testing::Values(CrashMode::kDropAll, CrashMode::kRandomSubset));

}  // namespace
}  // namespace mansio::store::testing
