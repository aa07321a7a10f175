// Power cuts at random moments, on a file system that drops what was not flushed. kill -9 cannot
// show a missing flush; this can, and the last tests show that it does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/store/crash/explorer.h"

namespace mansio::store {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using CrashMode = RecordingFileSystem::CrashMode;

constexpr uint64_t kSeed = 1;

// 1,000 points in all by default, 20,000 in a long run.
size_t Points(size_t percent) {
  const char* const text = std::getenv("MANSIO_LONG");
  const bool is_long = text != nullptr && std::string(text) == "1";
  return (is_long ? 200 : 10) * percent;
}

void ExpectNothingLost(const Scenario& scenario, size_t points) {
  const Findings findings = Explore(scenario, kSeed, points);
  for (const std::string& problem : findings.problems) ADD_FAILURE() << problem;
  EXPECT_GE(findings.points, points);
  // The workload reaches what it is there to reach.
  EXPECT_GT(findings.recovery_crashes, points / 10);
  EXPECT_GT(findings.replays, points / 4);
  EXPECT_GT(findings.trimmed, points / 10);
  EXPECT_GT(findings.carried, points / 4);
  EXPECT_GT(findings.lost_checkpoints, points / 20);
  ::testing::Test::RecordProperty("points", static_cast<int>(findings.points));
  ::testing::Test::RecordProperty("rebuilds", static_cast<int>(findings.rebuilds));
}

TEST(CrashTest, SyncLosesNothingWhenAllUnsyncedWritesAreDropped) {
  ExpectNothingLost({.durability = Durability::kSync, .mode = CrashMode::kDropAll}, Points(50));
}

TEST(CrashTest, SyncLosesNothingWhenSomeUnsyncedWritesSurviveOrTear) {
  ExpectNothingLost({.durability = Durability::kSync, .mode = CrashMode::kRandomSubset},
                    Points(20));
}

TEST(CrashTest, AsyncLosesAtMostWhatWasNotFlushed) {
  for (const CrashMode mode : {CrashMode::kDropAll, CrashMode::kRandomSubset}) {
    ExpectNothingLost(
        {.durability = Durability::kAsync, .mode = mode, .claimed = Durability::kAsync},
        Points(15));
  }
}

// --- Builds that are broken on purpose. A check that passes them is no check.

std::vector<std::string> ProblemsOf(const Scenario& broken) {
  return Explore(broken, kSeed, /*points=*/300, /*enough_problems=*/1).problems;
}

TEST(BrokenBuildTest, AFdatasyncThatDoesNothingIsCaught) {
  EXPECT_THAT(ProblemsOf({.ignore_syncs = true}), Contains(HasSubstr("is lost")));
}

TEST(BrokenBuildTest, AnAnswerBeforeTheFlushIsCaught) {
  EXPECT_THAT(ProblemsOf({.durability = Durability::kAsync, .claimed = Durability::kSync}),
              Contains(HasSubstr("is lost")));
}

TEST(BrokenBuildTest, ALiveMessageThatIsNotCarriedIsCaught) {
  EXPECT_THAT(ProblemsOf({.carries_nothing = true}), Contains(HasSubstr("has no entry")));
}

TEST(BrokenBuildTest, ACheckpointAheadOfTheSyncedLogIsCaught) {
  EXPECT_THAT(ProblemsOf({.durability = Durability::kAsync,
                          .claimed = Durability::kAsync,
                          .checkpoint_before_sync = true}),
              Contains(AnyOf(HasSubstr("the checkpoint was ahead of the log"),
                             // Or worse: retention has trusted it already.
                             HasSubstr("the store does not start"), HasSubstr("live message"))));
}

}  // namespace
}  // namespace mansio::store
