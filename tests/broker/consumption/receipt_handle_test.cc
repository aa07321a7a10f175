#include "broker/consumption/receipt_handle.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

constexpr std::array<uint64_t, 2> kKey = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=";

ReceiptHandle Example() { return {"broker-a", 3, 1000, 7, 123456789, 2, {5, 987654321}}; }

TEST(ReceiptHandleTest, RoundTrip) {
  const auto h = ReceiptHandle::Decode(Example().Encode(kKey), kKey);
  ASSERT_TRUE(h.ok());
  EXPECT_EQ(h->broker, "broker-a");
  EXPECT_EQ(h->group, 3u);
  EXPECT_EQ(h->topic, 1000u);
  EXPECT_EQ(h->queue, 7u);
  EXPECT_EQ(h->offset, 123456789u);
  EXPECT_EQ(h->attempt, 2u);
  EXPECT_EQ(h->lease, (store::LogPosition{5, 987654321}));
}

TEST(ReceiptHandleTest, EveryChangedCharacterIsFoundOut) {
  // In two of these lengths, some bits of the last character stand for nothing.
  for (const char* broker : {"a", "ab", "abc"}) {
    ReceiptHandle handle = Example();
    handle.broker = broker;
    const std::string good = handle.Encode(kKey);
    for (size_t i = 0; i < good.size(); ++i) {
      for (const char other : kLetters) {
        if (other == good[i]) continue;
        std::string bad = good;
        bad[i] = other;
        const auto h = ReceiptHandle::Decode(bad, kKey);
        EXPECT_EQ(CodeOf(h.status()), apache::rocketmq::v2::INVALID_RECEIPT_HANDLE) << bad;
      }
    }
    for (size_t n = 0; n < good.size(); ++n) {
      EXPECT_FALSE(ReceiptHandle::Decode(good.substr(0, n), kKey).ok()) << n;
    }
  }
}

TEST(ReceiptHandleTest, AnotherKeyRefusesIt) {
  EXPECT_FALSE(ReceiptHandle::Decode(Example().Encode(kKey), {1, 2}).ok());
}

TEST(ReceiptHandleTest, Garbage) {
  for (const char* text : {"", "x", "%%%%", "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"}) {
    EXPECT_FALSE(ReceiptHandle::Decode(text, kKey).ok()) << text;
  }
  EXPECT_FALSE(ReceiptHandle::Decode(std::string(100000, 'A'), kKey).ok());
}

}  // namespace
}  // namespace mansio::broker
