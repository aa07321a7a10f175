#include "store/checkpoint/checkpoint_meta.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "store/checkpoint/encoding.h"

namespace mansio::store {
namespace {

TEST(CheckpointMetaTest, ComesBackAsItWas) {
  const CheckpointMeta meta = *DecodeMeta(EncodeMeta({1, 2, 3, -4, 5, ~LogOffset{0}}));
  EXPECT_EQ(meta.offset, 1u);
  EXPECT_EQ(meta.epoch, 2u);
  EXPECT_EQ(meta.synced, 3u);
  EXPECT_EQ(meta.store_time, -4);
  EXPECT_EQ(meta.trimmed, 5u);
  EXPECT_EQ(meta.snapshot, ~LogOffset{0});
}

TEST(CheckpointMetaTest, AnotherFormatOrLengthIsDamage) {
  std::string value = EncodeMeta({});
  EXPECT_TRUE(absl::IsDataLoss(DecodeMeta(value + "x").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeMeta("").status()));
  value[0] = 2;
  EXPECT_TRUE(absl::IsDataLoss(DecodeMeta(value).status()));
}

TEST(EncodingTest, NumbersComeBackInBothOrders) {
  std::string bytes;
  PutBig<uint32_t>(bytes, 0x01020304);
  PutLittle<uint32_t>(bytes, 0x01020304);
  PutLittle<int64_t>(bytes, -2);
  PutLittle<uint8_t>(bytes, 255);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\1\2\3\4\4\3\2\1"));
  EXPECT_EQ(GetBig<uint32_t>(bytes), 0x01020304u);
  EXPECT_EQ(GetLittle<uint32_t>(bytes, 4), 0x01020304u);
  EXPECT_EQ(GetLittle<int64_t>(bytes, 8), -2);
  EXPECT_EQ(GetLittle<uint8_t>(bytes, 16), 255);
}

}  // namespace
}  // namespace mansio::store
