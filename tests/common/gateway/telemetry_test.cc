#include "common/gateway/telemetry.h"

#include <gtest/gtest.h>

#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::mansio::rpc::testing::FakeBidiCall;
using Events = std::vector<std::string>;

class TelemetryTest : public ::testing::Test, protected GatewayFixture {
 protected:
  void Open(const std::string& client = "client-1") {
    call_ = std::make_shared<FakeBidiCall>(HeadersOf(client));
    events_ = methods.bidi.at(0).handler(call_);
  }
  void Send(const v2::TelemetryCommand& command) {
    events_->OnMessage(command.SerializeAsString());
  }
  std::vector<v2::TelemetryCommand> Written() const {
    return call_->Written<v2::TelemetryCommand>();
  }

  static v2::TelemetryCommand Consumer() {
    v2::TelemetryCommand command;
    command.mutable_settings()->set_client_type(v2::PUSH_CONSUMER);
    v2::Subscription* subscription = command.mutable_settings()->mutable_subscription();
    subscription->mutable_group()->set_name("group");
    subscription->add_subscriptions()->mutable_topic()->set_name("orders");
    return command;
  }

  std::shared_ptr<FakeBidiCall> call_;
  std::unique_ptr<rpc::BidiEvents> events_;
};

TEST_F(TelemetryTest, TheStreamIsBoundBeforeAnySettings) {
  Open();
  EXPECT_EQ(registry.NewestStream("client-1"), call_);
  EXPECT_TRUE(Written().empty());
  EXPECT_FALSE(call_->finished());
  events_->OnClosed();
  EXPECT_EQ(registry.NewestStream("client-1"), nullptr);
  EXPECT_TRUE(registry.Find("client-1").has_value()) << "closing a stream forgets nothing";
}

TEST_F(TelemetryTest, SettingsAreAnsweredWithStatusAndSettingsTogether) {
  directory.groups["group"].fifo = true;
  Open();
  for (size_t times = 1; times <= 2; ++times) {
    Send(Consumer());
    ASSERT_EQ(Written().size(), times);
    const v2::TelemetryCommand reply = Written().back();
    EXPECT_EQ(reply.status().code(), v2::OK);
    EXPECT_EQ(reply.status().message(), "OK");
    ASSERT_TRUE(reply.has_settings());
    EXPECT_TRUE(reply.settings().subscription().fifo()) << "the group's policy";
    EXPECT_EQ(reply.settings().backoff_policy().max_attempts(), 17);
  }
  EXPECT_FALSE(call_->finished());
  EXPECT_EQ(observer.events.front(), "sub client-1 group orders");
  const ClientInfo info = registry.Find("client-1").value();
  EXPECT_EQ(info.role, ClientRole::kPushConsumer);
  EXPECT_EQ(info.group, "group");
  EXPECT_EQ(info.language, "JAVA");
  EXPECT_EQ(info.version, "5.1.0");
  EXPECT_EQ(info.peer, call_->Peer());
  EXPECT_TRUE(info.stream_open);
}

TEST_F(TelemetryTest, AProducerWithoutTopicsIsAnswered) {
  Open();
  v2::TelemetryCommand command;
  command.mutable_settings()->mutable_publishing();
  Send(command);
  ASSERT_EQ(Written().size(), 1u);
  EXPECT_EQ(Written()[0].settings().publishing().max_body_size(), 4 * 1024 * 1024);
  EXPECT_TRUE(observer.events.empty());
}

TEST_F(TelemetryTest, WrongSettingsEndTheStreamWithInvalidArgument) {
  Open();
  v2::TelemetryCommand command;
  command.mutable_settings();
  Send(command);
  EXPECT_TRUE(call_->finished());
  EXPECT_EQ(call_->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Written().empty());

  Open();
  command = Consumer();
  command.mutable_settings()
      ->mutable_subscription()
      ->mutable_subscriptions(0)
      ->mutable_topic()
      ->set_name("no spaces");
  Send(command);
  EXPECT_EQ(call_->status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(call_->status().message().find("ILLEGAL_TOPIC: "), 0u) << call_->status();
  EXPECT_TRUE(registry.Find("client-1")->group.empty()) << "nothing is stored";
  EXPECT_TRUE(observer.events.empty());

  Open();
  events_->OnMessage("\xff\xff\xff");
  EXPECT_EQ(call_->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(TelemetryTest, WhatIsNotServedIsAnsweredAndStoresNothing) {
  Open();
  v2::TelemetryCommand command = Consumer();
  command.mutable_settings()->set_client_type(v2::LITE_PUSH_CONSUMER);
  Send(command);
  Send(Consumer());  // too late
  ASSERT_EQ(Written().size(), 1u);
  EXPECT_EQ(Written()[0].status().code(), v2::NOT_IMPLEMENTED);
  EXPECT_NE(Written()[0].status().message().find("LITE_PUSH_CONSUMER"), std::string::npos);
  EXPECT_FALSE(Written()[0].has_settings());
  EXPECT_TRUE(call_->finished());
  EXPECT_TRUE(call_->status().ok());
  EXPECT_TRUE(observer.events.empty());
  EXPECT_TRUE(registry.Find("client-1")->group.empty());
}

TEST_F(TelemetryTest, NeedsAClientId) {
  for (const char* id : {"", "   "}) {
    Open(id);
    ASSERT_EQ(Written().size(), 1u);
    EXPECT_EQ(Written()[0].status().code(), v2::CLIENT_ID_REQUIRED);
    EXPECT_TRUE(call_->finished());
    Send(Consumer());
    events_->OnClosed();
  }
  EXPECT_EQ(registry.size(), 0u);
}

TEST_F(TelemetryTest, OtherCommandsAreTolerated) {
  Open();
  clock.Advance(absl::Seconds(100));
  v2::TelemetryCommand command;
  Send(command);
  command.mutable_thread_stack_trace()->set_nonce("1");
  Send(command);
  command.mutable_verify_message_command();  // Node echoes the server's command
  Send(command);
  EXPECT_FALSE(call_->finished());
  EXPECT_TRUE(Written().empty());
  clock.Advance(absl::Seconds(100));
  registry.ExpireSilent();
  EXPECT_TRUE(registry.IsAlive(ClientHash("client-1"))) << "they are signs of life";
}

TEST_F(TelemetryTest, AHalfClosedStreamIsCompleted) {
  Open();
  events_->OnHalfClose();
  EXPECT_TRUE(call_->finished());
  EXPECT_TRUE(call_->status().ok());
}

TEST_F(TelemetryTest, ClosingAnOlderStreamKeepsTheNewer) {
  Open();
  const auto older = call_;
  auto older_events = std::move(events_);
  Open();
  older_events->OnClosed();
  EXPECT_EQ(registry.NewestStream("client-1"), call_);
}

}  // namespace
}  // namespace mansio::gateway
