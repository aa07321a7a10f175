// Power cuts at random moments under a broker that commits, rolls back, delays, recalls, hands out
// and takes acks, on a file system that drops what was not flushed. The last tests show that
// builds which are broken are seen.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/broker/crash/explorer.h"

namespace mansio::broker {
namespace {

using store::Durability;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using CrashMode = RecordingFileSystem::CrashMode;

// MANSIO_CRASH_SEED looks elsewhere.
uint64_t Seed() {
  const char* const text = std::getenv("MANSIO_CRASH_SEED");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : 1;
}

// 300 points in all by default, 10,000 in a long run.
size_t Points(size_t percent) {
  const char* const text = std::getenv("MANSIO_LONG");
  const bool is_long = text != nullptr && std::string(text) == "1";
  return (is_long ? 100 : 3) * percent;
}

CrashFindings ExpectNothingLost(const CrashScenario& scenario, size_t points) {
  const CrashFindings findings = ExploreBroker(scenario, Seed(), points);
  for (const std::string& problem : findings.problems) ADD_FAILURE() << problem;
  EXPECT_GE(findings.points, points);
  // The load reaches what it is there to reach.
  EXPECT_GT(findings.recovery_crashes, points / 10);
  EXPECT_GT(findings.lost_checkpoints, points / 20);
  EXPECT_GT(findings.trimmed, points / 10);
  EXPECT_GT(findings.ended_transactions, points);
  EXPECT_GT(findings.pending_transactions, points / 2);
  return findings;
}

TEST(BrokerCrashTest, SyncLosesNothingWhenAllUnsyncedWritesAreDropped) {
  const size_t points = Points(50);
  const CrashFindings findings = ExpectNothingLost({.mode = CrashMode::kDropAll}, points);
  EXPECT_GT(findings.pending_timers, points);
  EXPECT_GT(findings.recalled_timers, points);
  EXPECT_GT(findings.acked, points);
  EXPECT_GT(findings.open_leases, points / 4);
}

TEST(BrokerCrashTest, SyncLosesNothingWhenSomeUnsyncedWritesSurviveOrTear) {
  ExpectNothingLost({.mode = CrashMode::kRandomSubset}, Points(25));
}

// What is left of it may be shorter; it is never half of anything.
TEST(BrokerCrashTest, AsyncKeepsWhatBelongsTogether) {
  ExpectNothingLost({.durability = Durability::kAsync,
                     .mode = CrashMode::kRandomSubset,
                     .claimed = Durability::kAsync},
                    Points(25));
}

// --- Builds that are broken on purpose. A check that passes them is no check.

std::vector<std::string> ProblemsOf(const CrashScenario& broken) {
  return ExploreBroker(broken, Seed(), /*points=*/2000, /*enough_problems=*/1).problems;
}

TEST(BrokenBrokerTest, AFdatasyncThatDoesNothingIsSeen) {
  EXPECT_THAT(ProblemsOf({.ignore_syncs = true}), Contains(HasSubstr("lost")));
}

TEST(BrokenBrokerTest, AnAnswerBeforeTheFlushIsSeen) {
  EXPECT_THAT(ProblemsOf({.durability = Durability::kAsync, .claimed = Durability::kSync}),
              Contains(HasSubstr("lost")));
}

TEST(BrokenBrokerTest, PendingMessagesThatAreNotCarriedAreMissed) {
  EXPECT_THAT(
      ProblemsOf({.breakage = {.carries_nothing = true}}),
      Contains(AnyOf(HasSubstr("lost"), HasSubstr("never comes"), HasSubstr("is answered with"))));
}

TEST(BrokenBrokerTest, AMoveInTwoFramesIsSeen) {
  EXPECT_THAT(ProblemsOf({.mode = CrashMode::kRandomSubset, .breakage = {.tears_moves = true}}),
              Contains(AnyOf(HasSubstr("twice"), HasSubstr("can be ended the other way"),
                             HasSubstr("can be recalled"), HasSubstr("has expired"))));
}

TEST(BrokenBrokerTest, ACheckpointThatKeepsWhatEndedIsSeen) {
  EXPECT_THAT(ProblemsOf({.breakage = {.checkpoint_keeps_ended = true}}),
              Contains(AnyOf(HasSubstr("twice"), HasSubstr("both ways"),
                             HasSubstr("can be recalled"), HasSubstr("other way"),
                             HasSubstr("another state"), HasSubstr("comes again after its ack"))));
}

TEST(BrokenBrokerTest, ASnapshotWithoutTimersIsSeen) {
  EXPECT_THAT(ProblemsOf({.breakage = {.snapshot_lacks_timers = true}}),
              Contains(HasSubstr("is lost")));
}

}  // namespace
}  // namespace mansio::broker
