#include "broker/transaction/transaction_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

using testing::HasSubstr;

constexpr std::array<uint64_t, 2> kKey = {1, 2};
const TransactionId kId{"broker-a", 3, 4, 5};

std::string Refusal(std::string_view text, const std::array<uint64_t, 2>& key = kKey) {
  const auto id = TransactionId::Decode(text, "broker-a", key);
  EXPECT_EQ(CodeOf(id.status()), apache::rocketmq::v2::INVALID_TRANSACTION_ID) << text;
  return std::string(id.status().message());
}

TEST(TransactionIdTest, ComesBack) {
  const auto id = TransactionId::Decode(kId.Encode(kKey), "broker-a", kKey);
  ASSERT_TRUE(id.ok()) << id.status();
  EXPECT_EQ(id->broker, "broker-a");
  EXPECT_EQ(id->topic, 3u);
  EXPECT_EQ(id->epoch, 4u);
  EXPECT_EQ(id->half, 5u);
}

TEST(TransactionIdTest, NoChangedOrInventedOneIsTaken) {
  const std::string text = kId.Encode(kKey);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(TransactionId::Decode(changed, "broker-a", kKey).ok()) << i;
  }
  EXPECT_THAT(Refusal(text, {1, 3}), HasSubstr("not made by this broker"));
  EXPECT_THAT(Refusal(""), HasSubstr("not a transaction id"));
  EXPECT_THAT(Refusal("01000000000000000000000000"), HasSubstr("not a transaction id"));
  EXPECT_THAT(Refusal(std::string(5000, 'A')), HasSubstr("not a transaction id"));
}

TEST(TransactionIdTest, TheRefusalOfAForeignOneNamesItsBroker) {
  TransactionId foreign = kId;
  foreign.broker = "broker-b";
  EXPECT_THAT(Refusal(foreign.Encode(kKey)), HasSubstr("broker-b"));
}

}  // namespace
}  // namespace mansio::broker
