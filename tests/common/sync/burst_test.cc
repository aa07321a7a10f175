#include "common/sync/burst.h"

#include <gtest/gtest.h>

namespace mansio {
namespace {

class CountedWork final : public BurstWork {
 public:
  void EndBurst() override { ++ends; }
  int ends = 0;
};

TEST(BurstTest, NothingIsDeferredOnAThreadWithoutABurst) {
  CountedWork work;
  EXPECT_FALSE(Burst::Defer(&work));
  EXPECT_EQ(work.ends, 0);
}

TEST(BurstTest, WorkIsDoneOnceAtEachEnd) {
  Burst burst;
  CountedWork one, other;
  EXPECT_FALSE(burst.pending());
  EXPECT_TRUE(Burst::Defer(&one));
  EXPECT_TRUE(Burst::Defer(&other));
  EXPECT_TRUE(Burst::Defer(&one));
  EXPECT_TRUE(burst.pending());
  EXPECT_EQ(one.ends, 0);
  burst.End();
  EXPECT_EQ(one.ends, 1);
  EXPECT_EQ(other.ends, 1);
  EXPECT_FALSE(burst.pending());
  EXPECT_TRUE(Burst::Defer(&one));
  burst.End();
  EXPECT_EQ(one.ends, 2);
  EXPECT_EQ(other.ends, 1);
}

TEST(BurstTest, TheLastEndIsTheDestructor) {
  CountedWork work;
  {
    Burst burst;
    Burst::Defer(&work);
  }
  EXPECT_EQ(work.ends, 1);
  EXPECT_FALSE(Burst::Defer(&work));
}

}  // namespace
}  // namespace mansio
