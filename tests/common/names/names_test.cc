#include "common/names/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::names {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(Topic, AcceptsTheContractsCharactersUpToTheLimit) {
  EXPECT_TRUE(ValidateTopic("orders").ok());
  EXPECT_TRUE(ValidateTopic("%|aZ09_-").ok());
  EXPECT_TRUE(ValidateTopic(std::string(127, 't')).ok());
  EXPECT_TRUE(ValidateTopic(RetryTopic(std::string(120, 'g'))).ok());
  EXPECT_TRUE(ValidateTopic("%DLQ%" + std::string(250, 'g')).ok());
}

TEST(Topic, RefusesTheRestAsIllegalTopic) {
  const std::vector<std::string> bad = {"",
                                        " ",
                                        " orders",
                                        "a b",
                                        "a.b",
                                        "主题",
                                        "a/b",
                                        std::string(128, 't'),
                                        "%DLQ%" + std::string(251, 'g'),
                                        std::string("a\0b", 3),
                                        "TBW102",
                                        "SCHEDULE_TOPIC_XXXX",
                                        "rmq_sys_anything",
                                        "CHECKPOINT_TOPIC"};
  for (const std::string& topic : bad) {
    EXPECT_EQ(CodeOf(ValidateTopic(topic)), v2::ILLEGAL_TOPIC) << topic;
  }
  EXPECT_THAT(Message(ValidateTopic("a\nb")), HasSubstr("'a\\nb'"));
  EXPECT_THAT(Message(ValidateTopic(std::string(128, 't'))), HasSubstr("128"));
}

TEST(ConsumerGroup, LimitsAndReservedPrefix) {
  EXPECT_TRUE(ValidateConsumerGroup(std::string(120, 'g')).ok());
  for (const std::string& group :
       {std::string(), std::string(121, 'g'), std::string("a b"), std::string("CID_RMQ_SYS_x")}) {
    EXPECT_EQ(CodeOf(ValidateConsumerGroup(group)), v2::ILLEGAL_CONSUMER_GROUP) << group;
  }
}

TEST(Message, TagKeyIdAndGroup) {
  EXPECT_TRUE(ValidateMessageTag("a b").ok());
  EXPECT_TRUE(ValidateMessageTag("*").ok());
  for (std::string_view tag : {"", "  ", "a||b", "a\x7f"}) {
    EXPECT_EQ(CodeOf(ValidateMessageTag(tag)), v2::ILLEGAL_MESSAGE_TAG) << tag;
  }
  EXPECT_TRUE(ValidateMessageKey("订单|1").ok());
  for (std::string_view key : {"", "\t", "a\nb"}) {
    EXPECT_EQ(CodeOf(ValidateMessageKey(key)), v2::ILLEGAL_MESSAGE_KEY) << key;
  }
  EXPECT_TRUE(ValidateMessageId("01").ok());
  EXPECT_EQ(CodeOf(ValidateMessageId(" ")), v2::ILLEGAL_MESSAGE_ID);
  EXPECT_TRUE(ValidateMessageGroup(std::string(63, 'g')).ok());
  for (const std::string& group : {std::string(), std::string(64, 'g'), std::string("g\x01")}) {
    EXPECT_EQ(CodeOf(ValidateMessageGroup(group)), v2::ILLEGAL_MESSAGE_GROUP) << group;
  }
}

TEST(Message, UserProperties) {
  EXPECT_TRUE(ValidateUserProperty("colour", "红").ok());
  EXPECT_TRUE(ValidateUserProperty("keys", "").ok());
  EXPECT_EQ(CodeOf(ValidateUserProperty("KEYS", "x")), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  EXPECT_EQ(CodeOf(ValidateUserProperty("__CRC32#", "x")), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  EXPECT_EQ(CodeOf(ValidateUserProperty("a\x02", "x")), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  EXPECT_EQ(CodeOf(ValidateUserProperty("a", "\xc2\x85")), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
}

TEST(NodeName, NamesTheConfigurationKey) {
  EXPECT_TRUE(ValidateNodeName("broker.name", "broker-1.eu").ok());
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a|b"), std::string(128, 'n')}) {
    EXPECT_THAT(Message(ValidateNodeName("broker.name", name)), HasSubstr("broker.name")) << name;
  }
}

TEST(DerivedTopics, CarryTheGroup) {
  EXPECT_EQ(RetryTopic("g"), "%RETRY%g");
  EXPECT_EQ(DlqTopic("g"), "%DLQ%g");
  EXPECT_TRUE(IsRetryTopic("%RETRY%g"));
  EXPECT_FALSE(IsRetryTopic("%DLQ%g"));
  EXPECT_TRUE(IsDlqTopic("%DLQ%g"));
  EXPECT_FALSE(IsDlqTopic("g"));
}

}  // namespace
}  // namespace mansio::names
