#include "common/gateway/admin_gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "common/gateway/forwarder.h"
#include "common/rpc/testing/fake_client.h"
#include "common/timer/timer_queue.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using rpc::testing::FakeUnaryCall;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Broker "a" (or a nameserver), with the brokers b and c elsewhere.
class AdminGatewayTest : public ::testing::Test {
 protected:
  AdminGatewayTest() {
    directory_.self = "a";
    directory_.all = {{"a", {"192.0.2.1", 1}}, {"b", {"192.0.2.2", 2}}, {"c", {"192.0.2.3", 3}}};
    directory_.masters = {{"b", {"192.0.2.2", 2}}, {"c", {"192.0.2.3", 3}}};
    directory_.routes["t"].brokers = {{"b", 0, {{"192.0.2.2", 2}}, 1}};
  }

  void Install() {
    gateway_ = std::make_unique<AdminGateway>(
        AdminGateway::Options{
            .node = "broker a", .routes_deadline = absl::Hours(1), .max_commands = 2},
        AdminGateway::Environment{.directory = &directory_, .peers = &peers_, .timers = &timers_});
    if (!directory_.self.empty()) {
      methods_.unary.push_back({"/mansio.v1.Admin/CreateTopic", [this](rpc::UnaryCall& call) {
                                  local_.push_back(std::string(call.Request()));
                                  call.Finish(rpc::Payload(Created(v2::OK)));
                                }});
    }
    gateway_->Install(methods_);
  }

  template <typename Request>
  FakeUnaryCall* Call(const std::string& name, const Request& request,
                      rpc::testing::Headers headers = {}) {
    calls_.push_back(
        std::make_unique<FakeUnaryCall>(request.SerializeAsString(), std::move(headers)));
    for (const auto& method : methods_.unary) {
      if (method.path == "/mansio.v1.Admin/" + name) method.handler(*calls_.back());
    }
    return calls_.back().get();
  }
  static v1::CreateTopicRequest Creation(const std::vector<std::string>& brokers = {},
                                         v2::MessageType type = v2::NORMAL) {
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name("t");
    request.mutable_topic()->set_message_type(type);
    request.mutable_brokers()->Assign(brokers.begin(), brokers.end());
    return request;
  }
  static std::string Created(v2::Code code) {
    v1::CreateTopicResponse response;
    response.mutable_status()->set_code(code);
    response.mutable_status()->set_message("text");
    response.mutable_topic()->set_name("t");
    return response.SerializeAsString();
  }
  static std::vector<std::string> ResultsOf(const v1::CreateTopicResponse& response) {
    std::vector<std::string> results;
    for (const v1::BrokerResult& result : response.results()) {
      results.push_back(result.broker() + " " + v2::Code_Name(result.status().code()));
    }
    return results;
  }

  // Knows all masters, too.
  class Cluster final : public Directory {
   public:
    absl::StatusOr<TopicRoute> Route(std::string_view topic) const override {
      return routes.find(topic)->second;
    }
    GroupPolicy Group(std::string_view) const override { return {}; }
    std::string_view Self() const override { return self; }
    std::vector<std::string> OthersWith(std::string_view topic) const override {
      std::vector<std::string> names;
      for (const BrokerQueues& broker : routes.find(topic)->second.brokers) {
        names.push_back(broker.broker);
      }
      return names;
    }
    std::optional<HostPort> MasterOf(std::string_view) const override { return std::nullopt; }
    std::vector<Master> Masters() const override { return all; }
    std::vector<std::string> WithoutMaster() const override { return headless; }
    std::vector<std::string> Sharing(std::string_view) const override { return shares; }

    std::string self;
    std::vector<Master> all;
    std::vector<std::string> headless;
    std::vector<std::string> shares;
    std::map<std::string, HostPort, std::less<>> masters;
    std::map<std::string, TopicRoute, std::less<>> routes;
  };

  Cluster directory_;
  rpc::testing::FakeClient peers_;
  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  std::unique_ptr<AdminGateway> gateway_;
  rpc::MethodTable methods_;
  std::vector<std::unique_ptr<FakeUnaryCall>> calls_;
  std::vector<std::string> local_;  // requests that this node served
};

TEST_F(AdminGatewayTest, AChangeReachesEveryBrokerAndEachResultIsReported) {
  Install();
  FakeUnaryCall* const call = Call("CreateTopic", Creation());
  EXPECT_EQ(local_.size(), 1u);
  ASSERT_EQ(peers_.unary.size(), 2u);
  EXPECT_EQ(peers_.unary[0].call.address, "192.0.2.2:2");
  EXPECT_EQ(rpc::testing::HeaderOf(peers_.unary[0].call, kForwardedBy), "broker a");
  peers_.Answer(Created(v2::TOO_MANY_REQUESTS));
  EXPECT_FALSE(call->finished());
  peers_.Answer(absl::UnavailableError("refused"));
  ASSERT_TRUE(call->finished());
  const auto response = call->Response<v1::CreateTopicResponse>();
  EXPECT_EQ(response.status().code(), v2::MULTIPLE_RESULTS);
  EXPECT_THAT(response.status().message(), HasSubstr("broker b: "));
  EXPECT_THAT(response.status().message(), HasSubstr("broker c: "));
  ASSERT_EQ(response.results_size(), 3);
  EXPECT_EQ(response.topic().name(), "t") << "as the first broker made it";
}

TEST_F(AdminGatewayTest, WhatAnotherNodeHasPassedOnIsForThisNodeAlone) {
  Install();
  EXPECT_TRUE(
      Call("CreateTopic", Creation(), {{std::string(kForwardedBy), "broker b"}})->finished());
  EXPECT_EQ(local_.size(), 1u);
  EXPECT_TRUE(peers_.unary.empty());
}

TEST_F(AdminGatewayTest, TheBrokersThatAreNamedAreAskedAndUnknownOnesNamed) {
  Install();
  FakeUnaryCall* const call = Call("CreateTopic", Creation({"b", "nobody", "b"}));
  EXPECT_TRUE(local_.empty());
  ASSERT_EQ(peers_.unary.size(), 1u);
  peers_.Answer(Created(v2::OK));
  const auto response = call->Response<v1::CreateTopicResponse>();
  EXPECT_EQ(response.status().code(), v2::MULTIPLE_RESULTS);
  EXPECT_THAT(ResultsOf(response), ElementsAre("b OK", "nobody HA_NOT_AVAILABLE"));
}

TEST_F(AdminGatewayTest, AnAnswerWaitsUntilTheRoutesShowTheChange) {
  Install();
  FakeUnaryCall* const call = Call("CreateTopic", Creation({"c"}));
  peers_.Answer(Created(v2::OK));
  EXPECT_FALSE(call->finished());
  now_ms_ += 10;
  timers_.RunDue();
  EXPECT_FALSE(call->finished()) << "c is not in the route yet";
  directory_.routes["t"].brokers.push_back({"c", 0, {{"192.0.2.3", 3}}, 1});
  now_ms_ += 10;
  timers_.RunDue();
  EXPECT_TRUE(call->finished());
}

TEST_F(AdminGatewayTest, ATopicWithMessageGroupsSaysBetweenWhomTheyAreDivided) {
  directory_.self = "";
  directory_.all.erase(directory_.all.begin());
  directory_.routes["t"].brokers.clear();
  Install();
  Call("CreateTopic", Creation({}, v2::FIFO));
  ASSERT_EQ(peers_.unary.size(), 2u);
  v1::CreateTopicRequest passed_on;
  ASSERT_TRUE(passed_on.ParseFromString(peers_.unary[0].request));
  EXPECT_THAT(passed_on.topic().brokers(), ElementsAre("b", "c"));
}

TEST_F(AdminGatewayTest, ItsCreationGivenAgainIsForThoseThatHaveIt) {
  Install();
  Call("CreateTopic", Creation({}, v2::FIFO));
  ASSERT_EQ(peers_.unary.size(), 1u) << "c has no share in it, and must not believe so";
  EXPECT_EQ(peers_.unary[0].call.address, "192.0.2.2:2");
}

// The first time c could not be reached; a share of the message groups is waiting for it.
TEST_F(AdminGatewayTest, ItsCreationGivenAgainReachesThoseThatHaveAShareOnly) {
  directory_.self = "";
  directory_.shares = {"b", "c"};
  Install();
  Call("CreateTopic", Creation({}, v2::FIFO));
  ASSERT_EQ(peers_.unary.size(), 2u);
  EXPECT_EQ(peers_.unary[1].call.address, "192.0.2.3:3");
  v1::CreateTopicRequest passed_on;
  ASSERT_TRUE(passed_on.ParseFromString(peers_.unary[1].request));
  EXPECT_THAT(passed_on.topic().brokers(), ElementsAre("b", "c"));
}

TEST_F(AdminGatewayTest, ACreationElsewhereDoesNotDivideTheGroupsAnew) {
  directory_.shares = {"b"};
  Install();
  Call("CreateTopic", Creation({"b", "c"}, v2::FIFO));
  ASSERT_EQ(peers_.unary.size(), 2u);
  v1::CreateTopicRequest passed_on;
  ASSERT_TRUE(passed_on.ParseFromString(peers_.unary[1].request));
  EXPECT_THAT(passed_on.topic().brokers(), ElementsAre("b"));
}

TEST_F(AdminGatewayTest, ANodeThatIsNoBrokerPassesNothingOnTwice) {
  directory_.self = "";
  Install();
  FakeUnaryCall* const call =
      Call("CreateTopic", Creation(), {{std::string(kForwardedBy), "broker b"}});
  ASSERT_TRUE(call->finished());
  EXPECT_TRUE(absl::IsFailedPrecondition(call->status()));
  EXPECT_TRUE(peers_.unary.empty());
}

TEST_F(AdminGatewayTest, WhereNobodyIsMasterItSaysWhetherThereAreMembers) {
  directory_.self = "";
  directory_.all.clear();
  Install();
  const auto message = [this] {
    return Call("CreateTopic", Creation())->Response<v1::CreateTopicResponse>().status().message();
  };
  EXPECT_NE(message().find("no broker is registered"), std::string::npos);
  directory_.headless = {"b"};
  EXPECT_NE(message().find("broker group b has members here, but no master"), std::string::npos);
}

TEST_F(AdminGatewayTest, CommandsUnderWayAreLimited) {
  Install();
  Call("CreateTopic", Creation());
  Call("CreateTopic", Creation());
  EXPECT_EQ(Call("CreateTopic", Creation())->Response<v1::CreateTopicResponse>().status().code(),
            v2::TOO_MANY_REQUESTS);
}

}  // namespace
}  // namespace mansio::gateway
