// Each limit, lowered in the configuration of a real broker: the code and the sentence beyond it,
// and that others are still served.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"
#include "tests/integration/server_process.h"

namespace mansio::testing {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::HasSubstr;

constexpr absl::Duration kInvisible = absl::Seconds(30);

class BrokerLimitsTest : public ::testing::Test {
 protected:
  void StartWith(std::vector<std::string> settings) {
    broker_ = std::make_unique<BrokerProcess>(std::move(settings));
    broker_->Start();
    ASSERT_TRUE(broker_->CreateTopic("orders").ok());
  }
  // `status` is a refusal with `code` that names `key`; the broker takes an ordinary message then.
  void ExpectRefused(const absl::Status& status, v2::Code code, const std::string& key) {
    EXPECT_EQ(CodeOf(status), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(key));
    const auto receipt = broker_->Producer()->Send(MessageTo("orders", "x"));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
    EXPECT_TRUE(receipt->status.ok()) << receipt->status;
  }
  absl::Status Send(const client::Message& message) {
    const auto receipt = broker_->Producer()->Send(message);
    return receipt.ok() ? receipt->status : receipt.status();
  }
  absl::Status SendBatch(int count, const std::string& body) {
    return broker_->Producer()
        ->SendBatch(
            std::vector<client::Message>(static_cast<size_t>(count), MessageTo("orders", body)))
        .status();
  }

  std::unique_ptr<BrokerProcess> broker_;
};

TEST_F(BrokerLimitsTest, OfAMessage) {
  StartWith({"limits.body-bytes=10B", "limits.properties=2", "limits.properties-bytes=20B"});
  EXPECT_TRUE(Send(MessageTo("orders", "0123456789")).ok());
  ExpectRefused(Send(MessageTo("orders", "0123456789a")), v2::MESSAGE_BODY_TOO_LARGE,
                "limits.body-bytes");
  client::Message message = MessageTo("orders", "x");
  message.properties = {{"a", "1"}, {"b", "2"}};
  EXPECT_TRUE(Send(message).ok());
  message.properties["c"] = "3";
  ExpectRefused(Send(message), v2::MESSAGE_PROPERTIES_TOO_LARGE, "limits.properties ");
  message.properties = {{"a", std::string(20, 'v')}};
  ExpectRefused(Send(message), v2::MESSAGE_PROPERTIES_TOO_LARGE, "limits.properties-bytes");
}

TEST_F(BrokerLimitsTest, OfARequest) {
  StartWith({"limits.messages-per-request=3", "limits.request-bytes=64KiB"});
  EXPECT_TRUE(SendBatch(3, "x").ok());
  ExpectRefused(SendBatch(4, "x"), v2::PAYLOAD_TOO_LARGE, "limits.messages-per-request");
  ExpectRefused(SendBatch(2, std::string(40'000, 'x')), v2::PAYLOAD_TOO_LARGE,
                "limits.request-bytes");
}

TEST_F(BrokerLimitsTest, OfWhatIsNotStoredYet) {
  StartWith({"limits.send-bytes-in-flight=1KiB"});
  ExpectRefused(Send(MessageTo("orders", std::string(2000, 'x'))), v2::TOO_MANY_REQUESTS, "");
  ExpectRefused(Send(MessageTo("orders", std::string(100'000, 'x'))), v2::TOO_MANY_REQUESTS,
                "limits.send-bytes-in-flight");
}

TEST_F(BrokerLimitsTest, OfTopicsQueuesAndGroups) {
  StartWith({"limits.topics=2", "limits.queues-per-topic=8", "limits.groups=1"});
  EXPECT_TRUE(broker_->CreateTopic("second", 8).ok());
  ExpectRefused(broker_->CreateTopic("third"), v2::TOO_MANY_REQUESTS, "limits.topics");
  ExpectRefused(broker_->CreateTopic("wide", 9), v2::BAD_REQUEST, "limits.queues-per-topic");
  v1::GroupInfo group;
  group.set_name("g1");
  EXPECT_TRUE(broker_->Admin()->CreateGroup(group).ok());
  group.set_name("g2");
  ExpectRefused(broker_->Admin()->CreateGroup(group).status(), v2::TOO_MANY_REQUESTS,
                "limits.groups");
}

TEST_F(BrokerLimitsTest, OfTheMessagesOfOneReceive) {
  StartWith({"limits.receive-batch=2"});
  ASSERT_TRUE(broker_->CreateEarliestGroup("g").ok());
  ASSERT_TRUE(SendBatch(5, "x").ok());
  const auto received =
      broker_->Consumer("g", "orders")->Receive(32, kInvisible, absl::Seconds(20));
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(received->size(), 2u);
}

TEST_F(BrokerLimitsTest, OfClients) {
  StartWith({"limits.clients=1"});
  const auto producer = broker_->Producer();
  ASSERT_TRUE(producer->Send(MessageTo("orders", "x")).ok());
  const absl::Status refused = client::Producer::Create(broker_->Client()).status();
  EXPECT_EQ(CodeOf(refused), v2::TOO_MANY_REQUESTS) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("limits.clients"));
  EXPECT_TRUE(producer->Send(MessageTo("orders", "x")).ok());
}

TEST_F(BrokerLimitsTest, OfLeases) {
  StartWith({"limits.leases=2"});
  ASSERT_TRUE(broker_->CreateEarliestGroup("g").ok());
  ASSERT_TRUE(SendBatch(5, "x").ok());
  const auto consumer = broker_->Consumer("g", "orders");
  const auto first = consumer->Receive(2, kInvisible, absl::Seconds(20));
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->size(), 2u);
  // A receive is answered before its leases count. They do when a later record is acknowledged.
  ASSERT_TRUE(Send(MessageTo("orders", "x")).ok());
  ExpectRefused(consumer->Receive(2, kInvisible, absl::Seconds(20)).status(), v2::TOO_MANY_REQUESTS,
                "limits.leases");
  EXPECT_TRUE(consumer->Ack(first->front()).ok());
  const auto second = consumer->Receive(2, kInvisible, absl::Seconds(20));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_GE(second->size(), 1u);
}

TEST_F(BrokerLimitsTest, OfReceivesThatWait) {
  StartWith({"limits.parked-receives=1"});
  const auto consumer = broker_->Consumer("g", "orders");
  absl::StatusOr<std::vector<client::ReceivedMessage>> first, second;
  absl::Notification refused;
  const auto receive = [&consumer, &refused](auto* answer) {
    *answer = consumer->Receive(1, kInvisible, absl::Seconds(20));
    if (!answer->ok() && !refused.HasBeenNotified()) refused.Notify();
  };
  std::thread one(receive, &first), other(receive, &second);
  // One of them waits, and the other came meanwhile.
  EXPECT_TRUE(refused.WaitForNotificationWithTimeout(absl::Seconds(60)));
  EXPECT_TRUE(Send(MessageTo("orders", "for the one that waits")).ok());
  one.join();
  other.join();
  ASSERT_NE(first.ok(), second.ok()) << first.status() << " and " << second.status();
  ExpectRefused(first.ok() ? second.status() : first.status(), v2::TOO_MANY_REQUESTS,
                "limits.parked-receives");
}

}  // namespace
}  // namespace mansio::testing
