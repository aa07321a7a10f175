#include "broker/send/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using testing::HasSubstr;

constexpr int64_t kNow = 1'700'000'000'000;

class ValidationTest : public testing::Test {
 protected:
  ValidationTest() { AddMessage(); }

  v2::Message* AddMessage() {
    v2::Message* message = request_.add_messages();
    message->mutable_topic()->set_name("orders");
    message->set_body("x");
    message->mutable_system_properties()->set_message_id("id");
    return message;
  }
  v2::Message* message() { return request_.mutable_messages(0); }
  v2::SystemProperties* system() { return message()->mutable_system_properties(); }
  void SetProperty(const std::string& key, const std::string& value) {
    (*message()->mutable_user_properties())[key] = value;
  }
  // The code of the request, and that an error has a sentence.
  v2::Code Code() {
    const absl::Status status = ValidateSend(request_, limits_, kNow);
    sentence_ = std::string(status.message());
    EXPECT_EQ(status.ok(), sentence_.empty());
    return CodeOf(status);
  }

  v2::SendMessageRequest request_;
  SendLimits limits_;
  std::string sentence_;
};

TEST_F(ValidationTest, AnOrdinaryMessageIsGood) {
  system()->set_tag("tag");
  system()->add_keys("key");
  system()->set_message_type(v2::NORMAL);
  system()->set_body_encoding(v2::GZIP);
  SetProperty("colour", "blå 🙂");
  EXPECT_EQ(Code(), v2::OK) << sentence_;
}

TEST_F(ValidationTest, ARequestWithoutMessagesIsCorrupted) {
  request_.clear_messages();
  EXPECT_EQ(Code(), v2::MESSAGE_CORRUPTED);
}

TEST_F(ValidationTest, TopicNames) {
  for (const char* name : {"", "  ", "no spaces", "TBW102", "rmq_sys_x", "a/b"}) {
    message()->mutable_topic()->set_name(name);
    EXPECT_EQ(Code(), v2::ILLEGAL_TOPIC) << name;
  }
  message()->mutable_topic()->set_name(std::string(128, 'a'));
  EXPECT_EQ(Code(), v2::ILLEGAL_TOPIC);
  message()->mutable_topic()->set_name(std::string(127, 'a'));
  EXPECT_EQ(Code(), v2::OK);
}

TEST_F(ValidationTest, ABatchHasOneTopic) {
  AddMessage();
  EXPECT_EQ(Code(), v2::OK);
  AddMessage()->mutable_topic()->set_name("payments");
  EXPECT_EQ(Code(), v2::MESSAGE_CORRUPTED);
  EXPECT_THAT(sentence_, HasSubstr("message 3 of 3"));
}

TEST_F(ValidationTest, TheNumberOfMessagesIsLimited) {
  limits_.messages = 2;
  AddMessage();
  EXPECT_EQ(Code(), v2::OK);
  AddMessage();
  EXPECT_EQ(Code(), v2::PAYLOAD_TOO_LARGE);
  EXPECT_THAT(sentence_, HasSubstr("limits.messages-per-request"));
}

TEST_F(ValidationTest, Bodies) {
  message()->clear_body();
  EXPECT_EQ(Code(), v2::MESSAGE_BODY_EMPTY);
  message()->set_body(std::string(4 << 20, 'x'));
  EXPECT_EQ(Code(), v2::OK);
  message()->mutable_body()->push_back('x');
  EXPECT_EQ(Code(), v2::MESSAGE_BODY_TOO_LARGE);
  EXPECT_THAT(sentence_, HasSubstr("4194305 bytes and the limit is 4194304"));
}

TEST_F(ValidationTest, ExactlyTheLimitOfPropertiesIsGood) {
  for (int i = 0; i < 128; ++i) SetProperty("p" + std::to_string(i), "v");
  EXPECT_EQ(Code(), v2::OK) << sentence_;
  SetProperty("one more", "v");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTIES_TOO_LARGE);
}

TEST_F(ValidationTest, TheBytesOfPropertiesTagAndKeysAreLimitedTogether) {
  system()->set_tag("tag");
  system()->add_keys("key");
  SetProperty("k", std::string(16384 - 7, 'v'));
  EXPECT_EQ(Code(), v2::OK) << sentence_;
  system()->set_tag("tag1");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTIES_TOO_LARGE);
  EXPECT_THAT(sentence_, HasSubstr("16385"));
}

TEST_F(ValidationTest, PropertyKeysAndValues) {
  SetProperty("TAGS", "x");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  message()->clear_user_properties();
  SetProperty("tags", "x");  // reserved keys are case-sensitive
  EXPECT_EQ(Code(), v2::OK);
  SetProperty("key", std::string("a\0b", 3));
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  message()->clear_user_properties();
  SetProperty("a\u0085b", "x");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
}

TEST_F(ValidationTest, Tags) {
  for (const char* tag : {"", " ", "a|b", "a\nb"}) {
    system()->set_tag(tag);
    EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_TAG) << tag;
  }
  system()->set_tag("*");
  EXPECT_EQ(Code(), v2::OK);
}

TEST_F(ValidationTest, Keys) {
  system()->add_keys("good");
  system()->add_keys(" ");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_KEY);
  system()->set_keys(1, "a\tb");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_KEY);
}

TEST_F(ValidationTest, MessageIds) {
  system()->set_message_id("");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_ID);
  system()->set_message_id(" ");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_ID);
  message()->clear_system_properties();
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_ID);
}

TEST_F(ValidationTest, OtherTextIsBounded) {
  system()->set_trace_context(std::string(kMaxOtherTextBytes - 2, 't'));
  EXPECT_EQ(Code(), v2::OK);
  system()->set_born_host("h");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTIES_TOO_LARGE);
}

TEST_F(ValidationTest, MessageGroups) {
  for (const std::string& group :
       {std::string(), std::string(" "), std::string(64, 'g'), std::string("a\rb")}) {
    system()->set_message_group(group);
    EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_GROUP) << group;
  }
  system()->set_message_group(std::string(63, 'g'));
  EXPECT_EQ(Code(), v2::OK);
}

TEST_F(ValidationTest, TimesLieWithinTheirLimits) {
  system()->mutable_delivery_timestamp()->set_seconds(kNow / 1000 + 24 * 3600 + 1);
  EXPECT_EQ(Code(), v2::ILLEGAL_DELIVERY_TIME);
  system()->mutable_delivery_timestamp()->set_seconds(kNow / 1000 + 24 * 3600);
  EXPECT_EQ(Code(), v2::OK);
  system()->clear_delivery_timestamp();
  system()->mutable_orphaned_transaction_recovery_duration()->set_seconds(3601);
  EXPECT_EQ(Code(), v2::BAD_REQUEST);
}

TEST_F(ValidationTest, TransactionsHaveNeitherGroupNorTime) {
  system()->set_message_type(v2::TRANSACTION);
  EXPECT_EQ(Code(), v2::OK);
  system()->set_message_group("g");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  EXPECT_THAT(sentence_, HasSubstr("a message group"));
  system()->clear_message_group();
  system()->mutable_delivery_timestamp()->set_seconds(1);
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  EXPECT_THAT(sentence_, HasSubstr("a delivery time"));
}

TEST_F(ValidationTest, TypesThatAreNotServedAreNamed) {
  const auto refused = [this](const char* name) {
    EXPECT_EQ(Code(), v2::NOT_IMPLEMENTED) << name;
    EXPECT_THAT(sentence_, HasSubstr(name));
    *system() = v2::SystemProperties();
    system()->set_message_id("id");
  };
  system()->set_message_type(v2::LITE);
  refused("LITE");
  system()->set_message_type(static_cast<v2::MessageType>(77));
  refused("number 77");
  system()->set_lite_topic("l");
  refused("LITE");
  system()->set_priority(1);
  system()->set_lite_topic("l");
  refused("LITE");
  system()->set_body_encoding(static_cast<v2::Encoding>(7));
  refused("encoding number 7");
  EXPECT_EQ(Code(), v2::OK);
}

TEST_F(ValidationTest, APriorityStandsAlone) {
  system()->set_priority(0);
  EXPECT_EQ(Code(), v2::OK) << sentence_;
  system()->set_message_type(v2::PRIORITY);
  system()->set_priority(1 << 30);
  EXPECT_EQ(Code(), v2::OK) << sentence_;
  system()->set_priority(-1);
  EXPECT_EQ(Code(), v2::BAD_REQUEST);
  EXPECT_THAT(sentence_, HasSubstr("-1"));
  system()->set_priority(1);
  system()->set_message_group("g");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  system()->clear_message_group();
  system()->mutable_delivery_timestamp()->set_seconds(1);
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  system()->clear_delivery_timestamp();
  SetProperty("DELAY", "1");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
}

TEST_F(ValidationTest, TheTimeToLiveIsANumberOfMilliseconds) {
  for (const char* good : {"1", "60000", "999999999999999999"}) {
    SetProperty("mansio-ttl-ms", good);
    EXPECT_EQ(Code(), v2::OK) << sentence_;
  }
  for (const char* bad : {"", "0", "-1", "1s", "1.5", " 1", "9999999999999999999"}) {
    SetProperty("mansio-ttl-ms", bad);
    EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_PROPERTY_KEY) << bad;
    EXPECT_THAT(sentence_, HasSubstr("mansio-ttl-ms"));
  }
}

TEST_F(ValidationTest, WhichTopicsTakeWhichMessages) {
  const auto code = [this](MessageType type) {
    TopicRecord topic;
    topic.name = "orders";
    topic.type = type;
    const absl::Status status = CheckTopicType(request_, topic);
    sentence_ = std::string(status.message());
    return CodeOf(status);
  };
  const auto only = [&](MessageType wanted, bool mixed) {
    for (const auto type : {MessageType::kNormal, MessageType::kFifo, MessageType::kDelay,
                            MessageType::kTransaction, MessageType::kPriority}) {
      EXPECT_EQ(code(type) == v2::OK, type == wanted) << NameOf(type) << " " << NameOf(wanted);
    }
    EXPECT_EQ(code(MessageType::kMixed), mixed ? v2::OK : v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  };
  only(MessageType::kNormal, true);
  system()->set_message_group("g");
  only(MessageType::kFifo, true);
  system()->clear_message_group();
  system()->mutable_delivery_timestamp()->set_seconds(1);
  only(MessageType::kDelay, true);
  system()->clear_delivery_timestamp();
  system()->set_message_type(v2::TRANSACTION);
  only(MessageType::kTransaction, true);
  system()->clear_message_type();
  system()->set_priority(3);
  only(MessageType::kPriority, false);
  EXPECT_THAT(sentence_, HasSubstr("takes NORMAL, FIFO, DELAY and TRANSACTION messages, this one "
                                   "is PRIORITY"));
}

TEST_F(ValidationTest, TheContractsOrderDecidesWhichCodeIsTold) {
  // Everything is wrong; each repair shows the next error.
  AddMessage()->mutable_topic()->set_name("payments");
  message()->mutable_topic()->set_name("no spaces");
  message()->clear_body();
  for (int i = 0; i < 129; ++i) SetProperty("p" + std::to_string(i), std::string(200, 'v'));
  SetProperty("TAGS", "x");
  *system() = v2::SystemProperties();
  system()->set_tag(" ");
  system()->add_keys(" ");
  system()->set_message_group(" ");
  system()->mutable_delivery_timestamp()->set_seconds(kNow);

  EXPECT_EQ(Code(), v2::ILLEGAL_TOPIC);
  message()->mutable_topic()->set_name("orders");
  EXPECT_EQ(Code(), v2::MESSAGE_CORRUPTED);
  request_.mutable_messages()->RemoveLast();
  EXPECT_EQ(Code(), v2::MESSAGE_BODY_EMPTY);
  message()->set_body("x");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTIES_TOO_LARGE);
  for (int i = 0; i < 40; ++i) message()->mutable_user_properties()->erase("p" + std::to_string(i));
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_PROPERTY_KEY);
  message()->mutable_user_properties()->erase("TAGS");
  EXPECT_EQ(Code(), v2::MESSAGE_PROPERTIES_TOO_LARGE);
  message()->clear_user_properties();
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_TAG);
  system()->clear_tag();
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_KEY);
  system()->clear_keys();
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_ID);
  system()->set_message_id("id");
  EXPECT_EQ(Code(), v2::ILLEGAL_MESSAGE_GROUP);
  system()->clear_message_group();
  EXPECT_EQ(Code(), v2::ILLEGAL_DELIVERY_TIME);
  system()->clear_delivery_timestamp();
  EXPECT_EQ(Code(), v2::OK);
}

TEST_F(ValidationTest, AnErrorInABatchSaysWhichMessage) {
  AddMessage()->clear_body();
  EXPECT_EQ(Code(), v2::MESSAGE_BODY_EMPTY);
  EXPECT_THAT(sentence_, HasSubstr("message 2 of 2"));
}

TEST_F(ValidationTest, TheTopicsTypeMustMatch) {
  TopicRecord topic;
  topic.name = "orders";
  topic.type = MessageType::kNormal;
  EXPECT_TRUE(CheckTopicType(request_, topic).ok());
  topic.type = MessageType::kFifo;
  absl::Status status = CheckTopicType(request_, topic);
  EXPECT_EQ(CodeOf(status), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
  EXPECT_THAT(std::string(status.message()), HasSubstr("takes FIFO messages, this one is NORMAL"));

  system()->set_message_type(v2::NORMAL);  // what the message says of itself does not count
  system()->set_message_group("g");
  EXPECT_TRUE(CheckTopicType(request_, topic).ok());
  topic.type = MessageType::kNormal;
  EXPECT_EQ(CodeOf(CheckTopicType(request_, topic)), v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE);
}

TEST_F(ValidationTest, TheTopicsOfAGroupTakeNothingFromClients) {
  TopicRecord topic;
  topic.name = "%DLQ%billing";
  topic.kind = TopicKind::kDeadLetter;
  const absl::Status status = CheckTopicType(request_, topic);
  EXPECT_EQ(CodeOf(status), v2::ILLEGAL_TOPIC);
  EXPECT_THAT(std::string(status.message()), HasSubstr("belongs to a consumer group"));
}

}  // namespace
}  // namespace mansio::broker
