#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "common/rpc/server.h"
#include "tests/common/rpc/test_client.h"

namespace mansio::rpc {
namespace {

const std::string kServing = "\x08\x01";
const std::string kNotServing = "\x08\x02";
const std::string kServiceUnknown = "\x08\x03";

class HealthTest : public ::testing::Test {
 protected:
  void SetUp() override {
    MethodTable methods;
    methods.unary.push_back({"/a.b.Service/Do", [](UnaryCall& call) { call.Finish(Payload()); }});
    auto server = Server::Start({.listen = "127.0.0.1:0"}, std::move(methods));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect(server_->Address());
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(HealthTest, CheckKnowsTheServerAndItsServices) {
  const std::string path = "/grpc.health.v1.Health/Check";
  EXPECT_EQ(CallUnary(channel_, path, "").response, kServing);
  EXPECT_EQ(CallUnary(channel_, path,
                      "\x0a\x0b"
                      "a.b.Service")
                .response,
            kServing);
  EXPECT_EQ(CallUnary(channel_, path,
                      "\x0a\x03"
                      "a.b")
                .status.error_code(),
            grpc::NOT_FOUND);
  EXPECT_EQ(CallUnary(channel_, path,
                      "\x0a\x7f"
                      "short")
                .status.error_code(),
            grpc::INVALID_ARGUMENT);
}

TEST_F(HealthTest, WatchAnswersAndStaysOpenUntilTheServerEnds) {
  Stream known(channel_, "/grpc.health.v1.Health/Watch");
  ASSERT_TRUE(known.Write("") && known.WritesDone());
  EXPECT_EQ(known.Read(), kServing);
  Stream unknown(channel_, "/grpc.health.v1.Health/Watch");
  ASSERT_TRUE(unknown.Write("\x0a\x01x") && unknown.WritesDone());
  EXPECT_EQ(unknown.Read(), kServiceUnknown);
  server_->Shutdown(absl::Seconds(20));
  EXPECT_EQ(known.Read(), kNotServing);
  EXPECT_EQ(known.Read(), std::nullopt);
  EXPECT_EQ(known.Finish().error_code(), grpc::UNAVAILABLE);
}

TEST_F(HealthTest, AChangeIsToldToThoseThatWatch) {
  Stream stream(channel_, "/grpc.health.v1.Health/Watch");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone());
  EXPECT_EQ(stream.Read(), kServing);
  server_->SetServing(true);  // no change
  server_->SetServing(false);
  EXPECT_EQ(stream.Read(), kNotServing);
  EXPECT_EQ(CallUnary(channel_, "/grpc.health.v1.Health/Check", "").response, kNotServing);
  server_->SetServing(true);
  EXPECT_EQ(stream.Read(), kServing);
}

TEST_F(HealthTest, OneThatWatchesAndLeavesIsForgotten) {
  {
    Stream stream(channel_, "/grpc.health.v1.Health/Watch");
    ASSERT_TRUE(stream.Write("") && stream.WritesDone());
    EXPECT_EQ(stream.Read(), kServing);
  }
  server_->SetServing(false);
  EXPECT_EQ(CallUnary(channel_, "/grpc.health.v1.Health/Check", "").response, kNotServing);
}

}  // namespace
}  // namespace mansio::rpc
