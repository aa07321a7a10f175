#include "broker/replication/catch_up.h"

#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

constexpr store::LogOffset kMiB = 1 << 20;

TEST(CatchUpTest, SaysHowFarItIsEachTenSecondsAndWhenItIsDone) {
  CatchUp catch_up;
  catch_up.Begin(100 * kMiB, 1100 * kMiB, absl::Seconds(5));
  EXPECT_EQ(catch_up.Line(150 * kMiB, absl::Seconds(14)), std::nullopt);
  EXPECT_EQ(catch_up.Line(200 * kMiB, absl::Seconds(15)),
            "Copying the master's log: 100 of 1000 MiB, 10 MiB/s");
  EXPECT_EQ(catch_up.Line(210 * kMiB, absl::Seconds(16)), std::nullopt);
  EXPECT_EQ(catch_up.Line(1120 * kMiB, absl::Seconds(22)),
            "Copied 1020 MiB of the master's log in 17.0 s, 60 MiB/s");
  EXPECT_EQ(catch_up.Line(1200 * kMiB, absl::Seconds(40)), std::nullopt);
}

TEST(CatchUpTest, SaysNothingOfWhatIsSoonDone) {
  CatchUp catch_up;
  catch_up.Begin(100 * kMiB, 101 * kMiB, absl::Seconds(5));
  EXPECT_EQ(catch_up.Line(100 * kMiB, absl::Seconds(50)), std::nullopt);
  EXPECT_EQ(catch_up.Line(101 * kMiB, absl::Seconds(60)), std::nullopt);
}

}  // namespace
}  // namespace mansio::broker
