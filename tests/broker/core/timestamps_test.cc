#include "broker/core/timestamps.h"

#include <gtest/gtest.h>

#include <limits>

namespace mansio::broker {
namespace {

google::protobuf::Duration Length(int64_t seconds, int32_t nanos) {
  google::protobuf::Duration d;
  d.set_seconds(seconds);
  d.set_nanos(nanos);
  return d;
}

TEST(TimestampsTest, DurationsAreRoundedDownOrUp) {
  EXPECT_EQ(MillisOf(Length(2, 1999999)), 2001);
  EXPECT_EQ(MillisFrom(Length(2, 1000001)), 2002);
  EXPECT_EQ(MillisFrom(Length(0, 1)), 1);
  EXPECT_EQ(MillisFrom(Length(0, 0)), 0);
}

TEST(TimestampsTest, DurationsFromTheNetworkDoNotOverflow) {
  EXPECT_EQ(MillisOf(Length(std::numeric_limits<int64_t>::max(), 0)), kMaxDurationSeconds * 1000);
  EXPECT_EQ(MillisOf(Length(std::numeric_limits<int64_t>::min(), 0)), -kMaxDurationSeconds * 1000);
}

TEST(TimestampsTest, ALengthIsValidAndNotNegative) {
  EXPECT_TRUE(IsLength(Length(0, 0)));
  EXPECT_TRUE(IsLength(Length(kMaxDurationSeconds, 999999999)));
  EXPECT_FALSE(IsLength(Length(kMaxDurationSeconds + 1, 0)));
  EXPECT_FALSE(IsLength(Length(-1, 0)));
  EXPECT_FALSE(IsLength(Length(0, -1)));
  EXPECT_FALSE(IsLength(Length(0, 1000000000)));
}

}  // namespace
}  // namespace mansio::broker
