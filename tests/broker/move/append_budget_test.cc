#include "broker/move/append_budget.h"

#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

class AppendBudgetTest : public testing::Test {
 protected:
  void Advance(int64_t ms) { clock_.Advance(absl::Milliseconds(ms)); }

  FakeClock clock_;
  AppendBudget budget_{1'000'000, &clock_};  // 1,000 bytes a millisecond, 50,000 at once
};

TEST_F(AppendBudgetTest, GivesABucketAtOnceAndThenWhatComesIn) {
  EXPECT_EQ(budget_.Take(50'000, 0), 0);
  EXPECT_EQ(budget_.Take(1, 0), 1);
  Advance(1);
  EXPECT_EQ(budget_.Take(1'000, 0), 0);
  EXPECT_EQ(budget_.Take(1, 0), 1);
}

TEST_F(AppendBudgetTest, WhatIsTooLargeIsGrantedAndPaidAfterwards) {
  EXPECT_EQ(budget_.Take(150'000, 0), 0);
  const int64_t wait = budget_.Take(1, 0);
  EXPECT_EQ(wait, 101);  // 100,000 bytes are owed
  Advance(wait - 1);
  EXPECT_GT(budget_.Take(1, 0), 0);
  Advance(1);
  EXPECT_EQ(budget_.Take(1, 0), 0);
}

TEST_F(AppendBudgetTest, EachMessageCosts) {
  EXPECT_EQ(budget_.Take(0, 100), 0);
  EXPECT_EQ(budget_.Take(0, 1),
            (100 * static_cast<int64_t>(AppendBudget::kMessageCost) - 50'000) / 1000 + 1);
}

TEST_F(AppendBudgetTest, WhatWasChargedLaterDelaysTheNext) {
  EXPECT_EQ(budget_.Take(0, 0), 0);
  budget_.Charge(60'000);
  EXPECT_EQ(budget_.Take(1, 0), 11);
}

TEST_F(AppendBudgetTest, ALongPauseFillsOneBucketOnly) {
  EXPECT_EQ(budget_.Take(50'000, 0), 0);
  clock_.Advance(absl::Hours(24 * 365 * 100));
  EXPECT_EQ(budget_.Take(50'000, 0), 0);
  EXPECT_GT(budget_.Take(1, 0), 0);
}

}  // namespace
}  // namespace mansio::broker
