#include "common/gateway/gateway.h"

#include <gtest/gtest.h>

#include "common/gateway/preamble.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using Events = std::vector<std::string>;

class GatewayTest : public ::testing::Test, protected GatewayFixture {
 protected:
  v2::Status Heartbeat(const v2::HeartbeatRequest& request,
                       const std::string& client = "client-1") {
    return Call<v2::HeartbeatResponse>("Heartbeat", request, client).status();
  }
  v2::Status Terminate(const v2::NotifyClientTerminationRequest& request,
                       const std::string& client = "client-1") {
    return Call<v2::NotifyClientTerminationResponse>("NotifyClientTermination", request, client)
        .status();
  }

  static v2::HeartbeatRequest ConsumerHeartbeat(const std::string& group) {
    v2::HeartbeatRequest request;
    request.set_client_type(v2::SIMPLE_CONSUMER);
    request.mutable_group()->set_name(group);
    return request;
  }
};

TEST_F(GatewayTest, AnswersRoutes) {
  directory.routes["orders"] = TwoBrokers(4);
  v2::QueryRouteRequest request;
  request.mutable_topic()->set_name("orders");
  EXPECT_EQ(Call<v2::QueryRouteResponse>("QueryRoute", request).message_queues_size(), 8);
  EXPECT_TRUE(registry.IsAlive(ClientHash("client-1")));

  request.mutable_topic()->set_name("unknown");
  EXPECT_EQ(Call<v2::QueryRouteResponse>("QueryRoute", request).status().code(),
            v2::TOPIC_NOT_FOUND);
  request.mutable_topic()->set_name("il legal");
  EXPECT_EQ(Call<v2::QueryRouteResponse>("QueryRoute", request).status().code(), v2::ILLEGAL_TOPIC);
}

TEST_F(GatewayTest, ClientsThatCannotChooseBetweenAddressesGetOne) {
  directory.routes["orders"] = TwoBrokers(1);
  directory.routes["orders"].brokers[0].endpoints = {{"192.0.2.1", 8081}, {"192.0.2.2", 8081}};
  v2::QueryRouteRequest request;
  request.mutable_topic()->set_name("orders");
  const auto addresses = [&](const std::string& language) {
    const auto response = Call<v2::QueryRouteResponse>("QueryRoute", request, "client-1", language);
    return response.message_queues(0).broker().endpoints().addresses_size();
  };
  EXPECT_EQ(addresses("JAVA"), 2);
  EXPECT_EQ(addresses("HTTP"), 1) << "what Node.js says of itself";
}

TEST_F(GatewayTest, AnswersAssignments) {
  directory.routes["orders"] = TwoBrokers(4);
  directory.groups["strict"].fifo = true;
  v2::QueryAssignmentRequest request;
  request.mutable_topic()->set_name("orders");
  request.mutable_group()->set_name("group");
  const auto ask = [&] { return Call<v2::QueryAssignmentResponse>("QueryAssignment", request); };
  EXPECT_EQ(ask().assignments_size(), 2);
  EXPECT_EQ(observer.events, Events{"sub client-1 group orders"});
  request.mutable_group()->set_name("strict");
  EXPECT_EQ(ask().assignments_size(), 8);
  request.mutable_group()->set_name("");
  EXPECT_EQ(ask().status().code(), v2::ILLEGAL_CONSUMER_GROUP);
  request.mutable_group()->set_name("group");
  request.mutable_topic()->set_name("unknown");
  EXPECT_EQ(ask().status().code(), v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(observer.events.size(), 2u) << "a refused one is no subscription";
}

TEST_F(GatewayTest, AHeartbeatNeedsNoSettings) {
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("group")).code(), v2::OK);
  EXPECT_EQ(observer.events, Events{"sub client-1 group "});
  EXPECT_EQ(registry.List("group").size(), 1u);

  v2::HeartbeatRequest producer;
  producer.set_client_type(v2::PRODUCER);
  producer.mutable_group();  // empty, as Go sends it
  EXPECT_EQ(Heartbeat(producer, "client-2").code(), v2::OK);
  EXPECT_EQ(registry.Find("client-2")->role, ClientRole::kProducer);
}

TEST_F(GatewayTest, AHeartbeatKeepsTheTopicsOfTheSettings) {
  ASSERT_TRUE(
      registry.Describe("client-1", ClientRole::kSimpleConsumer, "group", {"t"}, "", "", "").ok());
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("group")).code(), v2::OK);
  EXPECT_EQ(observer.events, Events{"sub client-1 group t"});
  v2::HeartbeatRequest untyped = ConsumerHeartbeat("group");
  untyped.clear_client_type();
  EXPECT_EQ(Heartbeat(untyped).code(), v2::OK) << "the settings told the type";
}

TEST_F(GatewayTest, AHeartbeatIsRefusedWithTheRightCode) {
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("group"), "").code(), v2::CLIENT_ID_REQUIRED);
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("group"), std::string(1025, 'x')).code(), v2::BAD_REQUEST);
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("group"), std::string(1024, 'x')).code(), v2::OK);
  EXPECT_EQ(Heartbeat(ConsumerHeartbeat("")).code(), v2::ILLEGAL_CONSUMER_GROUP);
  v2::HeartbeatRequest request = ConsumerHeartbeat("group");
  request.set_client_type(v2::CLIENT_TYPE_UNSPECIFIED);
  EXPECT_EQ(Heartbeat(request, "client-3").code(), v2::UNRECOGNIZED_CLIENT_TYPE);
  request.set_client_type(static_cast<v2::ClientType>(42));
  EXPECT_EQ(Heartbeat(request).code(), v2::UNRECOGNIZED_CLIENT_TYPE);
  request.set_client_type(v2::LITE_SIMPLE_CONSUMER);
  const v2::Status lite = Heartbeat(request);
  EXPECT_EQ(lite.code(), v2::NOT_IMPLEMENTED);
  EXPECT_NE(lite.message().find("LITE_SIMPLE_CONSUMER"), std::string::npos);
}

TEST_F(GatewayTest, APullConsumerLivesButBeginsNowhere) {
  v2::HeartbeatRequest request = ConsumerHeartbeat("group");
  request.set_client_type(v2::PULL_CONSUMER);
  EXPECT_EQ(Heartbeat(request).code(), v2::OK);
  EXPECT_EQ(observer.events, Events{});
  EXPECT_TRUE(registry.IsAlive(ClientHash("client-1")));
  EXPECT_EQ(registry.List("group").size(), 1u);
  request.mutable_group()->set_name("");
  EXPECT_EQ(Heartbeat(request).code(), v2::ILLEGAL_CONSUMER_GROUP);
}

TEST_F(GatewayTest, TerminationIsIdempotent) {
  EXPECT_EQ(Terminate({}, "never seen").code(), v2::OK);
  EXPECT_EQ(registry.size(), 0u);
  ASSERT_EQ(Heartbeat(ConsumerHeartbeat("group")).code(), v2::OK);
  observer.events.clear();
  v2::NotifyClientTerminationRequest request;
  request.mutable_group()->set_name("group");
  EXPECT_EQ(Terminate(request).code(), v2::OK);
  EXPECT_EQ(Terminate(request).code(), v2::OK);
  EXPECT_EQ(observer.events, Events{"dead client-1"});
  EXPECT_FALSE(registry.IsAlive(ClientHash("client-1")));
  EXPECT_EQ(Terminate(request, "").code(), v2::CLIENT_ID_REQUIRED);
}

TEST_F(GatewayTest, TerminationChecksTheGroupOfConsumersOnly) {
  v2::NotifyClientTerminationRequest request;
  request.mutable_group();
  ASSERT_TRUE(registry.Describe("p", ClientRole::kProducer, "", {}, "", "", "").ok());
  EXPECT_EQ(Terminate(request, "p").code(), v2::OK);
  ASSERT_EQ(Heartbeat(ConsumerHeartbeat("group"), "c").code(), v2::OK);
  EXPECT_EQ(Terminate(request, "c").code(), v2::ILLEGAL_CONSUMER_GROUP);
  EXPECT_EQ(Terminate({}, "c").code(), v2::OK);
}

TEST_F(GatewayTest, AnUnparsableRequestEndsTheCall) {
  for (const auto& method : methods.unary) {
    rpc::testing::FakeUnaryCall call("\xff\xff\xff", HeadersOf("client-1"));
    method.handler(call);
    EXPECT_EQ(call.times_finished(), 1) << method.path;
    EXPECT_EQ(call.status().code(), absl::StatusCode::kInvalidArgument) << method.path;
  }
}

}  // namespace
}  // namespace mansio::gateway
