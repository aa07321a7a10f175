#include "common/gateway/route_answer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;

v2::Resource Topic() {
  v2::Resource topic;
  topic.set_resource_namespace("space");
  topic.set_name("orders");
  return topic;
}

TEST(EndpointsTest, TheSchemeIsThatOfTheAddresses) {
  const v2::Endpoints v4 = MakeEndpoints({{"192.0.2.1", 1}, {"192.0.2.2", 2}});
  EXPECT_EQ(v4.scheme(), v2::IPv4);
  ASSERT_EQ(v4.addresses_size(), 2);
  EXPECT_EQ(v4.addresses(1).host(), "192.0.2.2");
  EXPECT_EQ(v4.addresses(1).port(), 2);

  const v2::Endpoints v6 = MakeEndpoints({{"2001:db8::1", 1}});
  EXPECT_EQ(v6.scheme(), v2::IPv6);
  EXPECT_EQ(v6.addresses(0).host(), "2001:db8::1");
}

TEST(EndpointsTest, ADomainNameStandsAlone) {
  for (const std::vector<HostPort>& addresses :
       std::vector<std::vector<HostPort>>{{{"broker.example", 1}},
                                          {{"broker.example", 1}, {"other.example", 2}},
                                          {{"broker.example", 1}, {"192.0.2.1", 2}}}) {
    const v2::Endpoints endpoints = MakeEndpoints(addresses);
    EXPECT_EQ(endpoints.scheme(), v2::DOMAIN_NAME);
    ASSERT_EQ(endpoints.addresses_size(), 1);
    EXPECT_EQ(endpoints.addresses(0).host(), "broker.example");
  }
}

// Node.js 1.0 makes the gRPC target HOST:PORT,HOST:PORT of them.
TEST(EndpointsTest, AClientThatMakesATargetOfThemFindsItsSchemeInTheFirst) {
  const v2::Endpoints v4 =
      MakeEndpoints({{"192.0.2.1", 1}, {"192.0.2.2", 2}}, AddressForm::kTarget);
  EXPECT_EQ(v4.scheme(), v2::IPv4);
  ASSERT_EQ(v4.addresses_size(), 2);
  EXPECT_EQ(v4.addresses(0).host(), "ipv4:192.0.2.1");
  EXPECT_EQ(v4.addresses(0).port(), 1);
  EXPECT_EQ(v4.addresses(1).host(), "192.0.2.2");

  const v2::Endpoints one = MakeEndpoints({{"192.0.2.1", 1}}, AddressForm::kTarget);
  EXPECT_EQ(one.addresses(0).host(), "192.0.2.1");
  const v2::Endpoints v6 =
      MakeEndpoints({{"2001:db8::1", 1}, {"2001:db8::2", 2}}, AddressForm::kTarget);
  ASSERT_EQ(v6.addresses_size(), 1);
  EXPECT_EQ(v6.addresses(0).host(), "2001:db8::1");
}

TEST(EndpointsTest, TheFormIsThatOfTheClientsVersion) {
  EXPECT_EQ(AddressFormOf("JAVA", "5.0.8"), AddressForm::kAll);
  EXPECT_EQ(AddressFormOf("", ""), AddressForm::kAll);
  EXPECT_EQ(AddressFormOf("HTTP", "1.0.0"), AddressForm::kTarget);
  EXPECT_EQ(AddressFormOf("HTTP", "1.0.8"), AddressForm::kTarget);
  for (const char* const unknown : {"1.0.9", "1.1.0", "2.0.0", "1.0.", "1.0.8-beta", ""}) {
    EXPECT_EQ(AddressFormOf("HTTP", unknown), AddressForm::kFirst) << unknown;
  }
}

TEST(EndpointsTest, FamiliesAreNotMixed) {
  const v2::Endpoints endpoints = MakeEndpoints({{"192.0.2.1", 1}, {"2001:db8::1", 2}});
  EXPECT_EQ(endpoints.scheme(), v2::IPv4);
  EXPECT_EQ(endpoints.addresses_size(), 1);
}

TEST(RouteAnswerTest, EveryQueueHasAllThatSdksNeed) {
  TopicRoute route = TwoBrokers(3);
  route.message_type = v2::FIFO;
  const v2::QueryRouteResponse response = MakeRouteResponse(Topic(), route).value();
  EXPECT_EQ(response.status().code(), v2::OK);
  ASSERT_EQ(response.message_queues_size(), 6);
  for (int i = 0; i < 6; ++i) {
    const v2::MessageQueue& queue = response.message_queues(i);
    EXPECT_EQ(queue.topic().resource_namespace(), "space");
    EXPECT_EQ(queue.topic().name(), "orders");
    EXPECT_EQ(queue.id(), i / 2);
    EXPECT_EQ(queue.permission(), v2::READ_WRITE);
    EXPECT_EQ(queue.broker().name(), i % 2 == 0 ? "a" : "b") << "the next queue is elsewhere";
    EXPECT_EQ(queue.broker().id(), 0);
    EXPECT_EQ(queue.broker().endpoints().addresses(0).host(),
              i % 2 == 0 ? "192.0.2.1" : "192.0.2.2");
    ASSERT_EQ(queue.accept_message_types_size(), 1);
    EXPECT_EQ(queue.accept_message_types(0), v2::FIFO);
  }
}

TEST(RouteAnswerTest, BrokersMayHaveDifferentNumbersOfQueues) {
  TopicRoute route = TwoBrokers(1);
  route.brokers[1].queues = 3;
  std::vector<std::string> queues;
  const v2::QueryRouteResponse response = MakeRouteResponse(Topic(), route).value();
  for (const v2::MessageQueue& queue : response.message_queues()) {
    queues.push_back(queue.broker().name() + std::to_string(queue.id()));
  }
  EXPECT_EQ(queues, (std::vector<std::string>{"a0", "b0", "b1", "b2"}));
}

TEST(RouteAnswerTest, AMixedTopicAcceptsTheClassicTypes) {
  TopicRoute route = TwoBrokers(1);
  route.mixed = true;
  const v2::QueryRouteResponse response = MakeRouteResponse(Topic(), route).value();
  const auto& types = response.message_queues(0).accept_message_types();
  EXPECT_EQ(std::vector<int>(types.begin(), types.end()),
            (std::vector<int>{v2::NORMAL, v2::FIFO, v2::DELAY, v2::TRANSACTION}));
}

TEST(RouteAnswerTest, AnUnspecifiedTypeIsNormal) {
  TopicRoute route = TwoBrokers(1);
  route.message_type = v2::MESSAGE_TYPE_UNSPECIFIED;
  const v2::QueryRouteResponse response = MakeRouteResponse(Topic(), route).value();
  EXPECT_EQ(response.message_queues(0).accept_message_types(0), v2::NORMAL);
}

TEST(RouteAnswerTest, OnlyWhatCanBeUsedIsListed) {
  TopicRoute route = TwoBrokers(2);
  route.brokers[0].broker_id = 1;                               // a slave
  route.brokers.push_back({"c", 0, {{"192.0.2.3", 8081}}, 0});  // no queue
  route.brokers.push_back({"d", 0, {}, 2});                     // no address
  route.brokers.push_back({"", 0, {{"192.0.2.5", 8081}}, 2});   // no name
  const v2::QueryRouteResponse response = MakeRouteResponse(Topic(), route).value();
  ASSERT_EQ(response.message_queues_size(), 2);
  for (const v2::MessageQueue& queue : response.message_queues())
    EXPECT_EQ(queue.broker().name(), "b");
}

TEST(RouteAnswerTest, NothingUsableIsTopicNotFound) {
  for (const auto& status : {MakeRouteResponse(Topic(), TwoBrokers(0)).status(),
                             MakeAssignmentResponse(Topic(), TwoBrokers(0), false).status(),
                             MakeAssignmentResponse(Topic(), TopicRoute(), true).status()}) {
    EXPECT_EQ(CodeOf(status), v2::TOPIC_NOT_FOUND);
    EXPECT_NE(status.message().find("'orders'"), std::string::npos);
  }
}

TEST(AssignmentTest, ANormalGroupPollsWholeBrokers) {
  const auto response = MakeAssignmentResponse(Topic(), TwoBrokers(8), false).value();
  EXPECT_EQ(response.status().code(), v2::OK);
  ASSERT_EQ(response.assignments_size(), 2);
  for (const v2::Assignment& assignment : response.assignments()) {
    const v2::MessageQueue& queue = assignment.message_queue();
    EXPECT_EQ(queue.id(), -1);
    EXPECT_EQ(queue.topic().resource_namespace(), "space");
    EXPECT_NE(queue.permission(), v2::PERMISSION_UNSPECIFIED);
    EXPECT_EQ(queue.broker().endpoints().addresses_size(), 1);
    EXPECT_EQ(queue.accept_message_types_size(), 0);
  }
  EXPECT_EQ(response.assignments(0).message_queue().broker().name(), "a");
}

TEST(AssignmentTest, AFifoGroupPollsEachQueue) {
  const auto response = MakeAssignmentResponse(Topic(), TwoBrokers(2), true).value();
  ASSERT_EQ(response.assignments_size(), 4);
  EXPECT_EQ(response.assignments(0).message_queue().id(), 0);
  EXPECT_EQ(response.assignments(1).message_queue().id(), 1);
  EXPECT_EQ(response.assignments(3).message_queue().broker().name(), "b");
}

}  // namespace
}  // namespace mansio::gateway
