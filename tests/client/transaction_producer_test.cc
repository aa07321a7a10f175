#include "client/lib/transaction_producer.h"

#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/status/wire_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_node.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::SizeIs;

constexpr absl::Duration kAtMost = absl::Seconds(30);

class TransactionProducerTest : public ::testing::Test {
 protected:
  TransactionProducerTest() {
    node_.hooks.route = [this](const v2::QueryRouteRequest& request) {
      return MakeRoute(request.topic().name(), {node_.endpoint()}, 1);
    };
    node_.hooks.send = [this](const v2::SendMessageRequest& request) {
      sent_.push_back(request);
      v2::SendMessageResponse response = SendSucceeds(request);
      response.mutable_entries(0)->set_transaction_id("t1");
      return response;
    };
    node_.hooks.end_transaction = [this](const v2::EndTransactionRequest& request) {
      ended_.push_back(request);
      v2::EndTransactionResponse response;
      *response.mutable_status() = MakeStatus(end_code_, "an answer");
      if (!was_ended_.HasBeenNotified()) was_ended_.Notify();
      return response;
    };
  }

  // The node asks about `count` messages as soon as the client has sent its settings.
  void AskAbout(int count) {
    node_.hooks.commands = [this, count] {
      std::vector<v2::TelemetryCommand> commands;
      for (int i = 1; i <= count && !asked_; ++i) {
        auto* check = commands.emplace_back().mutable_recover_orphaned_transaction_command();
        check->set_transaction_id("t" + std::to_string(i));
        check->mutable_message()->mutable_topic()->set_name("orders");
        check->mutable_message()->set_body("body " + std::to_string(i));
        check->mutable_message()->mutable_system_properties()->set_message_id(std::to_string(i));
      }
      asked_ = true;
      return commands;
    };
  }

  std::unique_ptr<TransactionProducer> Connect(TransactionProducer::Checker checker) {
    ClientOptions options;
    options.endpoint = node_.endpoint();
    options.request_timeout = absl::Seconds(30);
    auto producer = TransactionProducer::Create(options, {"orders"}, std::move(checker));
    EXPECT_TRUE(producer.ok()) << producer.status();
    return *std::move(producer);
  }
  static Resolution NeverAsked(const ReceivedMessage&) {
    ADD_FAILURE() << "nobody asked";
    return Resolution::kUnknown;
  }
  static Message Order() {
    Message message;
    message.topic = "orders";
    message.body = "hello";
    return message;
  }

  v2::Code end_code_ = v2::OK;
  bool asked_ = false;
  std::vector<v2::SendMessageRequest> sent_;
  std::vector<v2::EndTransactionRequest> ended_;
  absl::Notification was_ended_;
  FakeNode node_;
};

TEST_F(TransactionProducerTest, NeedsAChecker) {
  EXPECT_TRUE(
      absl::IsInvalidArgument(TransactionProducer::Create({}, {"orders"}, nullptr).status()));
}

TEST_F(TransactionProducerTest, EndsWhatItBegan) {
  auto producer = Connect(NeverAsked);
  const auto transaction = producer->Begin(Order());
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  EXPECT_EQ(transaction->transaction_id, "t1");
  ASSERT_THAT(sent_, SizeIs(1));
  const v2::SystemProperties& system = sent_[0].messages(0).system_properties();
  EXPECT_EQ(system.message_type(), v2::TRANSACTION);

  EXPECT_TRUE(producer->Commit(*transaction).ok());
  EXPECT_TRUE(producer->Rollback(*transaction).ok());
  ASSERT_THAT(ended_, SizeIs(2));
  EXPECT_EQ(ended_[0].transaction_id(), "t1");
  EXPECT_EQ(ended_[0].message_id(), system.message_id());
  EXPECT_EQ(ended_[0].topic().name(), "orders");
  EXPECT_EQ(ended_[0].resolution(), v2::COMMIT);
  EXPECT_EQ(ended_[0].source(), v2::SOURCE_CLIENT);
  EXPECT_EQ(ended_[1].resolution(), v2::ROLLBACK);
}

TEST_F(TransactionProducerTest, ARefusedEndIsToldAsItIs) {
  end_code_ = v2::INVALID_TRANSACTION_ID;
  auto producer = Connect(NeverAsked);
  const auto transaction = producer->Begin(Order());
  ASSERT_TRUE(transaction.ok()) << transaction.status();
  EXPECT_EQ(CodeOf(producer->Commit(*transaction)), v2::INVALID_TRANSACTION_ID);
}

TEST_F(TransactionProducerTest, TheCheckerDecidesAboutWhatTheBrokerAsks) {
  AskAbout(2);
  std::vector<std::string> bodies;
  auto producer = Connect([&bodies](const ReceivedMessage& message) {
    bodies.push_back(message.body);
    return message.body == "body 1" ? Resolution::kUnknown : Resolution::kCommit;
  });
  ASSERT_TRUE(was_ended_.WaitForNotificationWithTimeout(kAtMost));
  producer.reset();
  EXPECT_THAT(bodies, testing::ElementsAre("body 1", "body 2"));
  ASSERT_THAT(ended_, SizeIs(1));
  EXPECT_EQ(ended_[0].transaction_id(), "t2");
  EXPECT_EQ(ended_[0].message_id(), "2");
  EXPECT_EQ(ended_[0].resolution(), v2::COMMIT);
  EXPECT_EQ(ended_[0].source(), v2::SOURCE_SERVER_CHECK);
}

}  // namespace
}  // namespace mansio::client
