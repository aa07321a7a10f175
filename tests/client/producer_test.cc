#include "client/lib/producer.h"

#include <string>
#include <vector>

#include "common/status/wire_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_node.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Message Text(const std::string& body) {
  Message message;
  message.topic = "orders";
  message.body = body;
  return message;
}

std::unique_ptr<Producer> Connect(const FakeNode& node) {
  ClientOptions options;
  options.endpoint = node.endpoint();
  options.request_timeout = absl::Seconds(30);
  auto producer = Producer::Create(options);
  EXPECT_TRUE(producer.ok()) << producer.status();
  return producer.ok() ? *std::move(producer) : nullptr;
}

class ProducerTest : public ::testing::Test {
 protected:
  ProducerTest() {
    access_point_.hooks.route = [this](const v2::QueryRouteRequest& request) {
      return MakeRoute(request.topic().name(), {first_.endpoint(), second_.endpoint()}, 1);
    };
    first_.hooks.send = [this](const v2::SendMessageRequest& request) {
      return Record(&to_first_, request, first_code_);
    };
    second_.hooks.send = [this](const v2::SendMessageRequest& request) {
      return Record(&to_second_, request, v2::OK);
    };
  }

  static v2::SendMessageResponse Record(std::vector<v2::SendMessageRequest>* log,
                                        const v2::SendMessageRequest& request, v2::Code code) {
    log->push_back(request);
    if (code == v2::OK) return SendSucceeds(request, 100);
    v2::SendMessageResponse response;
    *response.mutable_status() = MakeStatus(code, "no");
    return response;
  }

  static std::string IdOf(const v2::SendMessageRequest& request) {
    return request.messages(0).system_properties().message_id();
  }

  v2::Code first_code_ = v2::OK;
  std::vector<v2::SendMessageRequest> to_first_;
  std::vector<v2::SendMessageRequest> to_second_;
  FakeNode access_point_;
  FakeNode first_;
  FakeNode second_;
};

TEST_F(ProducerTest, SendsWhatTheMessageSays) {
  auto producer = Connect(access_point_);
  Message message = Text("hello");
  message.tag = "new";
  message.keys = {"k1", "k2"};
  message.properties = {{"colour", "red"}};
  auto receipt = producer->Send(message);
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_EQ(receipt->queue_offset, 100);
  ASSERT_THAT(to_first_, SizeIs(1));
  const v2::Message& sent = to_first_[0].messages(0);
  EXPECT_EQ(sent.body(), "hello");
  EXPECT_EQ(sent.topic().name(), "orders");
  EXPECT_EQ(sent.system_properties().tag(), "new");
  EXPECT_THAT(sent.system_properties().keys(), ElementsAre("k1", "k2"));
  EXPECT_EQ(sent.user_properties().at("colour"), "red");
  EXPECT_EQ(sent.system_properties().message_type(), v2::NORMAL);
  EXPECT_EQ(sent.system_properties().body_encoding(), v2::IDENTITY);
  EXPECT_GT(sent.system_properties().born_timestamp().seconds(), 0);
  EXPECT_EQ(sent.system_properties().message_id(), receipt->message_id);
}

TEST_F(ProducerTest, BrokersTakeTurns) {
  auto producer = Connect(access_point_);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(producer->Send(Text("x")).ok());
  EXPECT_THAT(to_first_, SizeIs(2));
  EXPECT_THAT(to_second_, SizeIs(2));
}

TEST_F(ProducerTest, RetryGoesToTheNextBrokerWithTheSameId) {
  first_code_ = v2::HA_NOT_AVAILABLE;
  auto producer = Connect(access_point_);
  auto receipt = producer->Send(Text("x"));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  ASSERT_THAT(to_first_, SizeIs(1));
  ASSERT_THAT(to_second_, SizeIs(1));
  EXPECT_EQ(IdOf(to_first_[0]), IdOf(to_second_[0]));
  EXPECT_EQ(IdOf(to_first_[0]), receipt->message_id);
}

TEST_F(ProducerTest, WhatIsRefusedForGoodIsNotRepeated) {
  first_code_ = v2::ILLEGAL_MESSAGE_TAG;
  auto producer = Connect(access_point_);
  auto receipt = producer->Send(Text("x"));
  EXPECT_EQ(CodeOf(receipt.status()), v2::ILLEGAL_MESSAGE_TAG);
  EXPECT_THAT(to_first_, SizeIs(1));
  EXPECT_THAT(to_second_, SizeIs(0));
}

TEST_F(ProducerTest, AGroupStaysOnOneBrokerAndGivesUpAfterThreeAttempts) {
  first_code_ = v2::TOO_MANY_REQUESTS;
  second_.hooks.send = [this](const v2::SendMessageRequest& request) {
    return Record(&to_second_, request, v2::TOO_MANY_REQUESTS);
  };
  auto producer = Connect(access_point_);
  Message message = Text("x");
  message.message_group = "g";
  auto receipt = producer->Send(message);
  EXPECT_EQ(CodeOf(receipt.status()), v2::TOO_MANY_REQUESTS);
  const auto& used = to_first_.empty() ? to_second_ : to_first_;
  EXPECT_THAT(used, SizeIs(3));
  EXPECT_EQ(to_first_.size() + to_second_.size(), 3u);
  EXPECT_EQ(used[0].messages(0).system_properties().message_type(), v2::FIFO);
}

TEST_F(ProducerTest, EachMessageOfABatchHasItsOwnStatus) {
  first_.hooks.send = [](const v2::SendMessageRequest& request) {
    v2::SendMessageResponse response = SendSucceeds(request);
    *response.mutable_status() = MakeStatus(v2::MULTIPLE_RESULTS, "mixed");
    *response.mutable_entries(1)->mutable_status() =
        MakeStatus(v2::MESSAGE_BODY_TOO_LARGE, "too large");
    return response;
  };
  auto producer = Connect(access_point_);
  auto receipts = producer->SendBatch({Text("a"), Text("b"), Text("c")});
  ASSERT_TRUE(receipts.ok()) << receipts.status();
  ASSERT_THAT(*receipts, SizeIs(3));
  EXPECT_TRUE((*receipts)[0].status.ok());
  EXPECT_EQ(CodeOf((*receipts)[1].status), v2::MESSAGE_BODY_TOO_LARGE);
  EXPECT_TRUE((*receipts)[2].status.ok());
}

TEST_F(ProducerTest, ABatchHasOneTopic) {
  auto producer = Connect(access_point_);
  Message other = Text("b");
  other.topic = "else";
  EXPECT_TRUE(absl::IsInvalidArgument(producer->SendBatch({Text("a"), other}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(producer->SendBatch({}).status()));
}

TEST_F(ProducerTest, UnknownTopicIsTheServersError) {
  access_point_.hooks.route = [](const v2::QueryRouteRequest&) {
    v2::QueryRouteResponse response;
    *response.mutable_status() = MakeStatus(v2::TOPIC_NOT_FOUND, "there is no topic 'orders'");
    return response;
  };
  auto producer = Connect(access_point_);
  auto receipt = producer->Send(Text("x"));
  EXPECT_EQ(CodeOf(receipt.status()), v2::TOPIC_NOT_FOUND);
  EXPECT_THAT(std::string(receipt.status().message()), HasSubstr("there is no topic 'orders'"));
}

TEST_F(ProducerTest, SettingsNameTheTopicsAndTheEndIsAnnounced) {
  auto producer = Connect(access_point_);
  ASSERT_TRUE(producer->Send(Text("x")).ok());
  producer.reset();
  const auto settings = first_.settings();
  ASSERT_FALSE(settings.empty());
  EXPECT_EQ(settings.back().client_type(), v2::PRODUCER);
  ASSERT_THAT(settings.back().publishing().topics(), SizeIs(1));
  EXPECT_EQ(settings.back().publishing().topics(0).name(), "orders");
  EXPECT_THAT(access_point_.terminated(), SizeIs(1));
  EXPECT_EQ(access_point_.terminated(), first_.terminated());
}

TEST(ProducerStart, NobodyThere) {
  ClientOptions options;
  {
    FakeNode gone;
    options.endpoint = gone.endpoint();
  }
  auto producer = Producer::Create(options);
  EXPECT_TRUE(absl::IsUnavailable(producer.status())) << producer.status();
  EXPECT_THAT(std::string(producer.status().message()), HasSubstr(options.endpoint));
}

TEST(ProducerStart, MalformedEndpoint) {
  for (const char* text : {"", "host", "host:", ":1", "host:0", "host:65536", "1.2.3.4:1;name:2"}) {
    ClientOptions options;
    options.endpoint = text;
    EXPECT_TRUE(absl::IsInvalidArgument(Producer::Create(options).status())) << text;
  }
}

}  // namespace
}  // namespace mansio::client
