#include "client/lib/simple_consumer.h"

#include <string>
#include <vector>

#include "client/lib/body.h"
#include "common/status/wire_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_node.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Elements = std::vector<v2::ReceiveMessageResponse>;

v2::ReceiveMessageResponse StatusElement(v2::Code code) {
  v2::ReceiveMessageResponse element;
  *element.mutable_status() = MakeStatus(code, "text");
  return element;
}

v2::ReceiveMessageResponse MessageElement(const std::string& body, const std::string& checksum) {
  v2::ReceiveMessageResponse element;
  v2::Message* message = element.mutable_message();
  message->mutable_topic()->set_name("orders");
  message->set_body(body);
  v2::SystemProperties* system = message->mutable_system_properties();
  system->set_message_id("id-" + body);
  system->set_receipt_handle("handle-" + body);
  system->set_delivery_attempt(2);
  system->set_queue_offset(7);
  system->set_body_encoding(v2::IDENTITY);
  system->mutable_body_digest()->set_type(v2::MD5);
  system->mutable_body_digest()->set_checksum(checksum);
  return element;
}

class SimpleConsumerTest : public ::testing::Test {
 protected:
  SimpleConsumerTest() {
    node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
      return MakeRoute(request.topic().name(), {node_.endpoint(), other_.endpoint()}, 2);
    };
    node_.hooks.receive = [this](const v2::ReceiveMessageRequest& request) {
      requests_.push_back(request);
      return elements_;
    };
    other_.hooks.receive = [this](const v2::ReceiveMessageRequest& request) {
      to_other_.push_back(request);
      return Elements{StatusElement(v2::MESSAGE_NOT_FOUND)};
    };
    ClientOptions options;
    options.endpoint = node_.endpoint();
    options.request_timeout = absl::Seconds(30);
    auto consumer = SimpleConsumer::Create(options, "g");
    EXPECT_TRUE(consumer.ok()) << consumer.status();
    if (consumer.ok()) consumer_ = *std::move(consumer);
  }

  absl::StatusOr<std::vector<ReceivedMessage>> Receive() {
    return consumer_->Receive(5, absl::Seconds(30), absl::Seconds(6));
  }

  Elements elements_ = {StatusElement(v2::MESSAGE_NOT_FOUND)};
  std::vector<v2::ReceiveMessageRequest> requests_;
  std::vector<v2::ReceiveMessageRequest> to_other_;
  FakeNode node_;
  FakeNode other_;
  std::unique_ptr<SimpleConsumer> consumer_;
};

TEST_F(SimpleConsumerTest, AsksAsToldAndBrokersTakeTurns) {
  ASSERT_TRUE(consumer_->Subscribe("orders", "a || b").ok());
  EXPECT_EQ(*consumer_->Sources(), 2);
  EXPECT_THAT(*Receive(), IsEmpty());
  EXPECT_THAT(*Receive(), IsEmpty());
  ASSERT_THAT(requests_, SizeIs(1));
  ASSERT_THAT(to_other_, SizeIs(1));
  EXPECT_EQ(requests_[0].group().name(), "g");
  EXPECT_EQ(requests_[0].message_queue().broker().name(), "b0");
  EXPECT_EQ(requests_[0].filter_expression().expression(), "a || b");
  EXPECT_EQ(requests_[0].filter_expression().type(), v2::TAG);
  EXPECT_EQ(requests_[0].batch_size(), 5);
  EXPECT_EQ(requests_[0].invisible_duration().seconds(), 30);
  EXPECT_EQ(requests_[0].long_polling_timeout().seconds(), 6);
  EXPECT_FALSE(requests_[0].auto_renew());
}

TEST_F(SimpleConsumerTest, TellsIntactFromCorrupted) {
  elements_ = {StatusElement(v2::OK), MessageElement("good", Digest(DigestKind::kMd5, "good")),
               MessageElement("bad", Digest(DigestKind::kMd5, "other"))};
  ASSERT_TRUE(consumer_->Subscribe("orders").ok());
  auto messages = Receive();
  ASSERT_TRUE(messages.ok()) << messages.status();
  ASSERT_THAT(*messages, SizeIs(2));
  EXPECT_EQ((*messages)[0].body, "good");
  EXPECT_FALSE((*messages)[0].corrupted);
  EXPECT_EQ((*messages)[0].delivery_attempt, 2);
  EXPECT_EQ((*messages)[0].queue_offset, 7);
  EXPECT_EQ((*messages)[0].broker, "b0");
  EXPECT_TRUE((*messages)[1].corrupted);
}

TEST_F(SimpleConsumerTest, AckNamesTheLease) {
  elements_ = {StatusElement(v2::OK), MessageElement("m", Digest(DigestKind::kMd5, "m"))};
  v2::AckMessageRequest seen;
  node_.hooks.ack = [&seen](const v2::AckMessageRequest& request) {
    seen = request;
    v2::AckMessageResponse response;
    *response.mutable_status() = MakeStatus(v2::INVALID_RECEIPT_HANDLE, "passed");
    return response;
  };
  ASSERT_TRUE(consumer_->Subscribe("orders").ok());
  auto messages = Receive();
  ASSERT_TRUE(messages.ok() && messages->size() == 1);
  EXPECT_EQ(CodeOf(consumer_->Ack(messages->front())), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(seen.group().name(), "g");
  EXPECT_EQ(seen.topic().name(), "orders");
  ASSERT_EQ(seen.entries_size(), 1);
  EXPECT_EQ(seen.entries(0).receipt_handle(), "handle-m");
  EXPECT_EQ(seen.entries(0).message_id(), "id-m");
}

TEST_F(SimpleConsumerTest, ChangeInvisibleTakesTheNewHandleOnlyOnSuccess) {
  elements_ = {StatusElement(v2::OK), MessageElement("m", Digest(DigestKind::kMd5, "m"))};
  v2::Code code = v2::OK;
  node_.hooks.change = [&code](const v2::ChangeInvisibleDurationRequest& request) {
    v2::ChangeInvisibleDurationResponse response;
    *response.mutable_status() = MakeStatus(code, "text");
    if (code == v2::OK) response.set_receipt_handle(request.receipt_handle() + "+");
    return response;
  };
  ASSERT_TRUE(consumer_->Subscribe("orders").ok());
  auto messages = Receive();
  ASSERT_TRUE(messages.ok() && messages->size() == 1);
  ReceivedMessage& message = messages->front();
  EXPECT_TRUE(consumer_->ChangeInvisible(message, absl::Seconds(20)).ok());
  EXPECT_EQ(message.receipt_handle, "handle-m+");
  code = v2::TOO_MANY_REQUESTS;
  EXPECT_FALSE(consumer_->ChangeInvisible(message, absl::Seconds(20)).ok());
  EXPECT_EQ(message.receipt_handle, "handle-m+");
}

TEST_F(SimpleConsumerTest, RefusalsAreErrors) {
  elements_ = {StatusElement(v2::ILLEGAL_INVISIBLE_TIME)};
  ASSERT_TRUE(consumer_->Subscribe("orders").ok());
  EXPECT_EQ(CodeOf(Receive().status()), v2::ILLEGAL_INVISIBLE_TIME);
  elements_.clear();  // an answer without a status
  ASSERT_TRUE(consumer_->Receive(1, absl::Seconds(30), absl::Seconds(6)).ok());  // the other broker
  EXPECT_TRUE(absl::IsInternal(Receive().status()));
}

TEST_F(SimpleConsumerTest, NeedsASubscription) {
  EXPECT_TRUE(absl::IsFailedPrecondition(Receive().status()));
}

}  // namespace
}  // namespace mansio::client
