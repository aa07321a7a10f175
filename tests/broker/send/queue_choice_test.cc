#include "broker/send/queue_choice.h"

#include <gtest/gtest.h>

// GoogleTest first: rapidcheck's glue needs its macros.
#include <rapidcheck/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace mansio::broker {
namespace {

RC_GTEST_PROP(JumpHashProperty, StaysInRangeAndMovesOnlyToTheNewBucket, ()) {
  const auto key = *rc::gen::arbitrary<uint64_t>();
  const auto buckets = *rc::gen::inRange<uint32_t>(1, 2000);
  const uint32_t before = JumpHash(key, buckets);
  RC_ASSERT(before < buckets);
  const uint32_t after = JumpHash(key, buckets + 1);
  RC_ASSERT(after == before || after == buckets);
}

TEST(QueueOfGroupTest, IsStable) {
  // A change of these numbers breaks the order of message groups that live through an upgrade.
  EXPECT_EQ(QueueOfGroup("group-0", 8), 4u);
  EXPECT_EQ(QueueOfGroup("group-1", 8), 2u);
  EXPECT_EQ(QueueOfGroup("group-2", 8), 2u);
  EXPECT_EQ(QueueOfGroup("any", 1), 0u);
}

TEST(QueueOfPriorityTest, HigherPrioritiesHaveHigherQueuesUpToTheLast) {
  EXPECT_EQ(QueueOfPriority(0, 4), 0u);
  EXPECT_EQ(QueueOfPriority(3, 4), 3u);
  EXPECT_EQ(QueueOfPriority(4, 4), 3u);
  EXPECT_EQ(QueueOfPriority(std::numeric_limits<int32_t>::max(), 4), 3u);
  EXPECT_EQ(QueueOfPriority(7, 1), 0u);
}

TEST(QueueOfGroupTest, SpreadsGroups) {
  std::vector<int> groups(8);
  for (int i = 0; i < 8000; ++i) ++groups[QueueOfGroup("order-" + std::to_string(i), 8)];
  for (int count : groups) EXPECT_NEAR(count, 1000, 200);
}

}  // namespace
}  // namespace mansio::broker
