#include "broker/consumption/refusals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

TEST(RefusalsTest, TheLatestOfEachClientAndTopicIsKept) {
  Refusals refusals;
  refusals.Note("g", {"orders", "a", "first", 1});
  refusals.Note("g", {"orders", "a", "second", 2});
  refusals.Note("g", {"orders", "b", "third", 3});
  const auto kept = refusals.Of("g");
  ASSERT_THAT(kept, SizeIs(2));
  EXPECT_EQ(kept[0].text, "second");
  refusals.Forget("g", "orders", "a");
  EXPECT_THAT(refusals.Of("g"), SizeIs(1));
  refusals.Forget("g", "orders", "b");
  EXPECT_THAT(refusals.Of("g"), IsEmpty());
}

TEST(RefusalsTest, TheyAreBounded) {
  Refusals refusals;
  for (size_t i = 0; i < 2 * Refusals::kOfGroup; ++i) {
    refusals.Note("g0", {"orders", "c" + std::to_string(i), "no", 1});
  }
  EXPECT_THAT(refusals.Of("g0"), SizeIs(Refusals::kOfGroup));
  for (size_t i = 1; i <= Refusals::kGroups; ++i) {
    refusals.Note("g" + std::to_string(i), {"orders", "c", "no", static_cast<int64_t>(i) + 1});
  }
  EXPECT_THAT(refusals.Of("g0"), IsEmpty()) << "it was the oldest";
  EXPECT_THAT(refusals.Of("g1"), SizeIs(1));
}

TEST(RefusalsTest, TheirTextIsWhatTheClientGot) {
  const std::string text = RefusalText(
      WireError(apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION, std::string(10000, 'x')));
  EXPECT_EQ(text.rfind("ILLEGAL_FILTER_EXPRESSION: xxx", 0), 0u);
  EXPECT_LT(text.size(), 500u);
}

}  // namespace
}  // namespace mansio::broker
