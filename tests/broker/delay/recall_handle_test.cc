#include "broker/delay/recall_handle.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/delay/levels.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

constexpr std::array<uint64_t, 2> kKey = {1, 2};

TEST(RecallHandleTest, ComesBackAsItWasAndOnlyUnderItsKey) {
  const RecallHandle handle{"broker-a", 7, TimerKey::Of(1'700'000'000'123, 18, 1ull << 40), "id-1"};
  const std::string text = handle.Encode(kKey);
  const auto back = RecallHandle::Decode(text, kKey);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->broker, "broker-a");
  EXPECT_EQ(back->topic, 7u);
  EXPECT_EQ(back->timer, handle.timer);
  EXPECT_EQ(back->message_id, "id-1");
  std::string changed = text;
  changed[5] = changed[5] == 'A' ? 'B' : 'A';
  for (const std::string& bad : {changed, std::string("x"), std::string(), text + "AAAA"}) {
    EXPECT_EQ(CodeOf(RecallHandle::Decode(bad, kKey).status()), apache::rocketmq::v2::BAD_REQUEST);
  }
  EXPECT_FALSE(RecallHandle::Decode(text, {1, 3}).ok());
  EXPECT_EQ(RecallHandle::BrokerOf(text), "broker-a");
  for (const char* bad : {"", "x", "nonsense", "AAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_EQ(RecallHandle::BrokerOf(bad), "") << bad;
  }
}

TEST(DelayLevelsTest, TheDefaultHasEighteen) {
  const auto levels = ParseDelayLevels(kDefaultDelayLevels);
  ASSERT_TRUE(levels.ok());
  EXPECT_EQ(levels->size(), 18u);
  EXPECT_EQ(levels->front(), 1000);
  EXPECT_EQ(levels->back(), 7'200'000);
}

TEST(DelayLevelsTest, WhatIsNoDurationIsSaid) {
  for (const char* text : {"", "  ", "1s x", "10", "0s", "-1s", "961h"}) {
    EXPECT_FALSE(ParseDelayLevels(text).ok()) << text;
  }
}

}  // namespace
}  // namespace mansio::broker
