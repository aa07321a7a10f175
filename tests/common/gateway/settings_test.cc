#include "common/gateway/settings.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;

v2::Settings Producer() {
  v2::Settings settings;
  settings.set_client_type(v2::PRODUCER);
  v2::Resource* topic = settings.mutable_publishing()->add_topics();
  topic->set_resource_namespace("space");
  topic->set_name("orders");
  return settings;
}

v2::Settings Consumer() {
  v2::Settings settings;
  settings.set_client_type(v2::PUSH_CONSUMER);
  v2::Subscription* subscription = settings.mutable_subscription();
  subscription->mutable_group()->set_name("group");
  subscription->mutable_group()->set_resource_namespace("space");
  subscription->add_subscriptions()->mutable_topic()->set_name("orders");
  return settings;
}

v2::Code CodeFor(const v2::Settings& settings) { return CodeOf(ValidateSettings(settings)); }

TEST(MergeSettingsTest, AProducerGetsExponentialBackoffAndTheBodyLimit) {
  v2::Settings settings = Producer();
  settings.mutable_backoff_policy()->mutable_customized_backoff()->add_next()->set_seconds(5);
  settings.mutable_request_timeout()->set_seconds(7);
  settings.mutable_access_point()->add_addresses()->set_host("nameserver");
  settings.mutable_user_agent()->set_hostname("host");
  (*settings.mutable_client_properties())["zone"] = "1";
  settings.mutable_metric()->set_on(true);
  const v2::Settings sent = settings;
  MergeSettings({.max_body_bytes = 1234}, GroupPolicy(), &settings);

  EXPECT_EQ(settings.backoff_policy().max_attempts(), 3);
  const v2::ExponentialBackoff& backoff = settings.backoff_policy().exponential_backoff();
  EXPECT_EQ(backoff.initial().nanos(), 10'000'000);
  EXPECT_EQ(backoff.max().seconds(), 1);
  EXPECT_EQ(backoff.multiplier(), 2);
  EXPECT_EQ(settings.publishing().max_body_size(), 1234);
  EXPECT_TRUE(settings.publishing().validate_message_type());
  EXPECT_TRUE(settings.has_metric());
  EXPECT_FALSE(settings.metric().on());

  EXPECT_EQ(settings.client_type(), v2::PRODUCER);
  EXPECT_EQ(settings.publishing().topics(0).resource_namespace(), "space");
  EXPECT_EQ(settings.request_timeout().seconds(), 7);
  EXPECT_EQ(settings.access_point().SerializeAsString(), sent.access_point().SerializeAsString());
  EXPECT_EQ(settings.user_agent().hostname(), "host");
  EXPECT_EQ(settings.client_properties().at("zone"), "1");
}

TEST(MergeSettingsTest, AConsumerGetsTheDefaultListAndItsGroupsPolicy) {
  v2::Settings settings = Consumer();
  MergeSettings({}, GroupPolicy(), &settings);
  EXPECT_EQ(settings.backoff_policy().max_attempts(), 17);
  const v2::CustomizedBackoff& backoff = settings.backoff_policy().customized_backoff();
  ASSERT_EQ(backoff.next_size(), 18);
  EXPECT_EQ(backoff.next(0).seconds(), 1);
  EXPECT_EQ(backoff.next(17).seconds(), 7200);
  const v2::Subscription& subscription = settings.subscription();
  EXPECT_TRUE(subscription.has_fifo());
  EXPECT_FALSE(subscription.fifo());
  EXPECT_EQ(subscription.receive_batch_size(), 32);
  EXPECT_EQ(subscription.long_polling_timeout().seconds(), 20);
  EXPECT_EQ(subscription.group().resource_namespace(), "space");
  EXPECT_EQ(subscription.subscriptions_size(), 1);
  EXPECT_FALSE(settings.metric().on());

  MergeSettings({},
                {.fifo = true, .max_attempts = 4, .backoff = {.steps = {absl::Milliseconds(1500)}}},
                &settings);
  EXPECT_EQ(settings.backoff_policy().max_attempts(), 4);
  ASSERT_EQ(settings.backoff_policy().customized_backoff().next_size(), 1);
  EXPECT_EQ(settings.backoff_policy().customized_backoff().next(0).seconds(), 1);
  EXPECT_EQ(settings.backoff_policy().customized_backoff().next(0).nanos(), 500'000'000);
  EXPECT_TRUE(settings.subscription().fifo());

  MergeSettings({}, {.backoff = {.exponential = Backoff::Exponential{}}}, &settings);
  const v2::ExponentialBackoff& growing = settings.backoff_policy().exponential_backoff();
  EXPECT_EQ(growing.initial().seconds(), 5);
  EXPECT_EQ(growing.max().seconds(), 7200);
  EXPECT_EQ(growing.multiplier(), 2);
}

TEST(ValidateSettingsTest, AcceptsWhatSdksSend) {
  EXPECT_EQ(CodeFor(Producer()), v2::OK);
  EXPECT_EQ(CodeFor(Consumer()), v2::OK);
  v2::Settings settings;
  settings.mutable_publishing();
  EXPECT_EQ(CodeFor(settings), v2::OK) << "a producer without topics, without client type";
  settings = Consumer();
  settings.mutable_subscription()->clear_subscriptions();
  EXPECT_EQ(CodeFor(settings), v2::OK) << "a consumer that subscribes later";
}

TEST(ValidateSettingsTest, NeedsPublishingOrSubscription) {
  v2::Settings settings;
  settings.set_client_type(v2::PRODUCER);
  EXPECT_EQ(CodeFor(settings), v2::BAD_REQUEST);
}

TEST(ValidateSettingsTest, ChecksNames) {
  v2::Settings settings = Producer();
  settings.mutable_publishing()->add_topics()->set_name("a b");
  EXPECT_EQ(CodeFor(settings), v2::ILLEGAL_TOPIC);
  settings = Consumer();
  settings.mutable_subscription()->add_subscriptions();
  EXPECT_EQ(CodeFor(settings), v2::ILLEGAL_TOPIC);
  settings = Consumer();
  settings.mutable_subscription()->mutable_group()->set_name("");
  EXPECT_EQ(CodeFor(settings), v2::ILLEGAL_CONSUMER_GROUP);
}

TEST(ValidateSettingsTest, WhatIsNotServedIsNamed) {
  for (const v2::ClientType type : {v2::LITE_PUSH_CONSUMER, v2::LITE_SIMPLE_CONSUMER}) {
    v2::Settings settings = Consumer();
    settings.set_client_type(type);
    const absl::Status status = ValidateSettings(settings);
    EXPECT_EQ(CodeOf(status), v2::NOT_IMPLEMENTED);
    EXPECT_NE(status.message().find(v2::ClientType_Name(type)), std::string::npos) << status;
  }
  v2::Settings settings = Consumer();
  v2::FilterExpression* filter =
      settings.mutable_subscription()->mutable_subscriptions(0)->mutable_expression();
  filter->set_type(static_cast<v2::FilterType>(7));
  const absl::Status status = ValidateSettings(settings);
  EXPECT_EQ(CodeOf(status), v2::NOT_IMPLEMENTED);
  EXPECT_NE(status.message().find("7"), std::string::npos) << status;
  filter->set_type(v2::SQL);
  EXPECT_EQ(CodeFor(settings), v2::OK);

  settings.set_client_type(static_cast<v2::ClientType>(77));
  EXPECT_EQ(CodeFor(settings), v2::UNRECOGNIZED_CLIENT_TYPE);
}

TEST(ValidateSettingsTest, AnUnspecifiedFilterIsTag) {
  v2::Settings settings = Consumer();
  settings.mutable_subscription()->mutable_subscriptions(0)->mutable_expression()->set_expression(
      "a");
  EXPECT_EQ(CodeFor(settings), v2::OK);
}

TEST(ValidateSettingsTest, ClientPropertiesAtTheirLimits) {
  const auto with = [](const std::map<std::string, std::string>& properties) {
    v2::Settings settings = Producer();
    settings.mutable_client_properties()->insert(properties.begin(), properties.end());
    return CodeFor(settings);
  };
  EXPECT_EQ(with({{std::string(64, 'k'), std::string(256, 'v')}, {"a_b.c-d", ""}}), v2::OK);
  EXPECT_EQ(with({{std::string(65, 'k'), ""}}), v2::INVALID_CLIENT_PROPERTIES);
  EXPECT_EQ(with({{"k", std::string(257, 'v')}}), v2::INVALID_CLIENT_PROPERTIES);
  EXPECT_EQ(with({{"", ""}}), v2::INVALID_CLIENT_PROPERTIES);
  EXPECT_EQ(with({{"1a", ""}}), v2::INVALID_CLIENT_PROPERTIES);
  EXPECT_EQ(with({{"a b", ""}}), v2::INVALID_CLIENT_PROPERTIES);
  EXPECT_EQ(with({{"rocketmq.zone", ""}}), v2::INVALID_CLIENT_PROPERTIES);

  std::map<std::string, std::string> many;
  for (int i = 0; i < 32; ++i) many[fmt::format("k{:02}", i)] = std::string(125, 'v');
  EXPECT_EQ(with(many), v2::OK) << "32 entries and 4096 bytes";
  many["k00"] += "v";
  EXPECT_EQ(with(many), v2::INVALID_CLIENT_PROPERTIES);
  many["k00"].clear();
  many["l"];
  EXPECT_EQ(with(many), v2::INVALID_CLIENT_PROPERTIES) << "33 entries";
}

TEST(DescribeSettingsTest, RoleGroupAndTopics) {
  EXPECT_EQ(RoleOf(Producer()), ClientRole::kProducer);
  EXPECT_EQ(RoleOf(Consumer()), ClientRole::kPushConsumer);
  v2::Settings settings = Consumer();
  settings.set_client_type(v2::SIMPLE_CONSUMER);
  EXPECT_EQ(RoleOf(settings), ClientRole::kSimpleConsumer);
  settings.mutable_subscription()->add_subscriptions()->mutable_topic()->set_name("b");
  settings.mutable_subscription()->add_subscriptions()->mutable_topic()->set_name("b");
  EXPECT_EQ(TopicsOf(settings), (std::vector<std::string>{"b", "orders"}));
  EXPECT_EQ(GroupOf(settings), "group");
  EXPECT_EQ(GroupOf(Producer()), "");
}

}  // namespace
}  // namespace mansio::gateway
