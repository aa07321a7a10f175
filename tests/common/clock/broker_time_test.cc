#include "common/clock/broker_time.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

namespace mansio {
namespace {

using Action = BrokerTime::Report::Action;

class BrokerTimeTest : public ::testing::Test {
 protected:
  BrokerTime Make(absl::Time last_store_time = absl::InfinitePast()) {
    return BrokerTime(&clock_, last_store_time,
                      [this](const BrokerTime::Report& report) { reports_.push_back(report); });
  }

  // Lets time pass in steps of a second, as a busy broker reads it.
  void Pass(BrokerTime& time, absl::Duration duration) {
    for (absl::Duration d; d < duration; d += absl::Seconds(1)) {
      clock_.Advance(absl::Seconds(1));
      time.NowMillis();
    }
  }

  std::vector<Action> Actions() const {
    std::vector<Action> actions;
    for (const auto& report : reports_) actions.push_back(report.action);
    return actions;
  }

  FakeClock clock_;
  std::vector<BrokerTime::Report> reports_;
};

TEST_F(BrokerTimeTest, StartsAtTheWallClockAndRunsWithIt) {
  BrokerTime time = Make();
  EXPECT_EQ(time.Now(), clock_.WallNow());
  Pass(time, absl::Hours(1));
  EXPECT_EQ(time.Now(), clock_.WallNow());
  EXPECT_TRUE(reports_.empty());
}

TEST_F(BrokerTimeTest, StartsAtTheLastStoreTimeIfThatIsLater) {
  const absl::Time stored = clock_.WallNow() + absl::Milliseconds(700);
  BrokerTime time = Make(stored);
  EXPECT_EQ(time.Now(), stored);
  EXPECT_EQ(time.Difference(), -absl::Milliseconds(700));
  // 0.7 s at 0.5 % take 140 s; meanwhile time goes on, slower.
  Pass(time, absl::Seconds(100));
  EXPECT_EQ(time.Now() - stored, absl::Milliseconds(99'500));
  Pass(time, absl::Seconds(60));
  EXPECT_EQ(time.Now(), clock_.WallNow());
  EXPECT_TRUE(reports_.empty());
}

TEST_F(BrokerTimeTest, IsRaisedToWhatRecoveryFinds) {
  BrokerTime time = Make();
  const absl::Time wall = clock_.WallNow();
  time.NeverBefore(wall - absl::Seconds(5));
  EXPECT_EQ(time.Now(), wall);
  time.NeverBefore(wall + absl::Hours(1));
  EXPECT_EQ(time.Now(), wall + absl::Hours(1));
  EXPECT_EQ(Actions(), std::vector<Action>{Action::kObserved});
  Pass(time, absl::Seconds(61));  // it lasts: broker time waits for the wall clock
  EXPECT_EQ(Actions().back(), Action::kStandsStill);
}

TEST_F(BrokerTimeTest, SlewsForwardByAtMostHalfAPercent) {
  BrokerTime time = Make();
  const int64_t start = time.NowMillis();
  clock_.SetWall(clock_.WallNow() + absl::Milliseconds(900));
  clock_.Advance(absl::Milliseconds(100));
  EXPECT_EQ(time.NowMillis(), start + 100);  // Noticed only now.
  clock_.Advance(absl::Seconds(10));
  EXPECT_EQ(time.NowMillis(), start + 10'150);
  Pass(time, absl::Seconds(200));
  EXPECT_EQ(time.Now(), clock_.WallNow());
}

TEST_F(BrokerTimeTest, ALongSilenceDoesNotOvershoot) {
  BrokerTime time = Make();
  clock_.SetWall(clock_.WallNow() + absl::Milliseconds(10));
  clock_.Advance(absl::Seconds(1));
  time.NowMillis();
  clock_.Advance(absl::Hours(24));
  EXPECT_EQ(time.Now(), clock_.WallNow());
}

TEST_F(BrokerTimeTest, FollowsAForwardJumpInOneStepAfterSixtySeconds) {
  BrokerTime time = Make();
  clock_.SetWall(clock_.WallNow() + absl::Hours(1));
  Pass(time, absl::Seconds(1));
  EXPECT_EQ(Actions(), std::vector{Action::kObserved});
  EXPECT_EQ(reports_[0].difference, absl::Hours(1));
  EXPECT_EQ(time.Difference(), absl::Hours(1));
  Pass(time, absl::Seconds(59));
  EXPECT_GT(time.Difference(), absl::Minutes(59));
  Pass(time, absl::Seconds(1));
  EXPECT_EQ(time.Now(), clock_.WallNow());
  EXPECT_EQ(Actions(), (std::vector{Action::kObserved, Action::kSteppedForward}));
}

TEST_F(BrokerTimeTest, AForwardJumpThatIsTakenBackIsNotFollowed) {
  BrokerTime time = Make();
  clock_.SetWall(clock_.WallNow() + absl::Hours(1));
  Pass(time, absl::Seconds(59));
  clock_.SetWall(clock_.WallNow() - absl::Hours(1));
  Pass(time, absl::Seconds(120));
  EXPECT_EQ(time.Now(), clock_.WallNow());
  EXPECT_EQ(Actions(), (std::vector{Action::kObserved, Action::kAgreesAgain}));
}

TEST_F(BrokerTimeTest, ASecondJumpMustLastOnItsOwn) {
  BrokerTime time = Make();
  clock_.SetWall(clock_.WallNow() + absl::Seconds(10));
  Pass(time, absl::Seconds(50));
  clock_.SetWall(clock_.WallNow() + absl::Hours(24 * 365));
  Pass(time, absl::Seconds(30));
  EXPECT_EQ(Actions(), (std::vector{Action::kObserved, Action::kObserved}));
}

TEST_F(BrokerTimeTest, FollowsABackwardJumpByStandingStill) {
  BrokerTime time = Make();
  const absl::Time before = time.Now();
  clock_.SetWall(clock_.WallNow() - absl::Seconds(100));
  Pass(time, absl::Seconds(61));
  EXPECT_EQ(Actions(), (std::vector{Action::kObserved, Action::kStandsStill}));
  const absl::Time still = time.Now();
  EXPECT_GT(still, before + absl::Seconds(60));
  Pass(time, absl::Seconds(99));
  EXPECT_EQ(time.Now(), still);  // 0.3 s were slewed away before, so 99.7 s of standing remain.
  Pass(time, absl::Seconds(2));
  EXPECT_EQ(time.Now(), clock_.WallNow());
  EXPECT_EQ(Actions().back(), Action::kAgreesAgain);
}

TEST_F(BrokerTimeTest, StandingStillEndsOnTimeInALongSilence) {
  BrokerTime time = Make();
  clock_.SetWall(clock_.WallNow() - absl::Seconds(100));
  Pass(time, absl::Seconds(61));
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(time.Now(), clock_.WallNow());
}

TEST_F(BrokerTimeTest, NeverGoesBackWhateverTheWallClockDoes) {
  std::mt19937_64 random(11);
  BrokerTime time = Make();
  int64_t latest = time.NowMillis();
  for (int i = 0; i < 20'000; ++i) {
    clock_.Advance(absl::Milliseconds(random() % 1'000));
    if (random() % 50 == 0) {
      const auto jump = static_cast<int64_t>(random() % 200'000) - 100'000;
      clock_.SetWall(clock_.WallNow() + absl::Milliseconds(jump));
    }
    const int64_t now = time.NowMillis();
    ASSERT_GE(now, latest);
    latest = now;
  }
}

TEST_F(BrokerTimeTest, NeverGoesBackBetweenThreads) {
  BrokerTime time(&clock_, absl::InfinitePast());
  std::atomic<bool> done{false};
  std::atomic<int64_t> seen{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t) {
    readers.emplace_back([&] {
      while (!done.load()) {
        const int64_t other = seen.load();
        const int64_t now = time.NowMillis();
        EXPECT_GE(now, other);
        int64_t expected = other;
        seen.compare_exchange_strong(expected, now);
      }
    });
  }
  std::mt19937_64 random(5);
  for (int i = 0; i < 5'000; ++i) {
    clock_.Advance(absl::Milliseconds(150));
    if (i % 7 == 0) {
      clock_.SetWall(clock_.WallNow() + absl::Milliseconds(random() % 3'000) - absl::Seconds(1));
    }
  }
  done.store(true);
  for (std::thread& reader : readers) reader.join();
}

TEST(RealClock, BootTimeDoesNotGoBackAndWallTimeIsThisCentury) {
  RealClock clock;
  const absl::Duration first = clock.BootNow();
  EXPECT_GE(clock.BootNow(), first);
  EXPECT_GT(first, absl::ZeroDuration());
  EXPECT_GT(clock.WallNow(), absl::FromUnixSeconds(1'600'000'000));
}

}  // namespace
}  // namespace mansio
