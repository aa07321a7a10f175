#include "broker/server/reign_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/clock/clock.h"
#include "common/gateway/public_service.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

using rpc::testing::FakeServerStreamCall;
using rpc::testing::FakeUnaryCall;

// A master's own methods, which answer OK, behind the gate.
class ReignGateTest : public ::testing::Test {
 protected:
  ReignGateTest() {
    for (const char* name : {"SendMessage", "AckMessage", "ChangeInvisibleDuration", "GetOffset"}) {
      methods_.unary.push_back({gateway::MessagingPath(name), [](rpc::UnaryCall& call) {
                                  v2::GetOffsetResponse response;
                                  response.mutable_status()->set_code(v2::OK);
                                  call.Finish(rpc::Payload(response.SerializeAsString()));
                                }});
    }
    methods_.server_stream.push_back({gateway::MessagingPath("ReceiveMessage"),
                                      [this](rpc::ServerStreamCall&) { ++received_; }});
    gate_.Protect(methods_);
  }

  v2::Code CodeOf(const std::string& name, const std::string& request = "") {
    for (const auto& method : methods_.unary) {
      if (method.path != gateway::MessagingPath(name)) continue;
      FakeUnaryCall call(request);
      method.handler(call);
      EXPECT_TRUE(call.finished()) << name;
      last_ = call.response_bytes();
      return call.Response<v2::GetOffsetResponse>().status().code();
    }
    return v2::CODE_UNSPECIFIED;
  }
  std::unique_ptr<FakeServerStreamCall> Receive() {
    auto call =
        std::make_unique<FakeServerStreamCall>(v2::ReceiveMessageRequest().SerializeAsString(),
                                               rpc::testing::Headers{{"x-mq-client-id", "client"}});
    methods_.server_stream.front().handler(*call);
    return call;
  }

  FakeClock clock_;
  gateway::ClientRegistry clients_{{}, &clock_};
  TimerQueue timers_{[] { return int64_t{0}; }, [] { return int64_t{0}; }};
  HeldReceives held_{{}, &clients_, &timers_};
  absl::Status sends_;
  absl::Status reigns_;
  ReignGate gate_{&held_, [this] { return sends_; }, [this] { return reigns_; }};
  rpc::MethodTable methods_;
  int received_ = 0;
  std::string last_;
};

TEST_F(ReignGateTest, NothingIsDecidedBeforeTheReignHasBegun) {
  EXPECT_EQ(CodeOf("SendMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("AckMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("GetOffset"), v2::OK) << "it only reads";
  gate_.Open();
  EXPECT_EQ(CodeOf("SendMessage"), v2::OK);
  EXPECT_EQ(CodeOf("AckMessage"), v2::OK);
}

TEST_F(ReignGateTest, ARefusedChangeKeepsItsHandle) {
  v2::ChangeInvisibleDurationRequest request;
  request.set_receipt_handle("handle");
  EXPECT_EQ(CodeOf("ChangeInvisibleDuration", request.SerializeAsString()), v2::HA_NOT_AVAILABLE);
  v2::ChangeInvisibleDurationResponse response;
  ASSERT_TRUE(response.ParseFromString(last_));
  EXPECT_EQ(response.receipt_handle(), "handle");
}

TEST_F(ReignGateTest, SendsNeedEnoughMembersLaterToo) {
  gate_.Open();
  sends_ = absl::UnavailableError("1 of the in-sync members is connected");
  EXPECT_EQ(CodeOf("SendMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("AckMessage"), v2::OK);
}

TEST_F(ReignGateTest, AMasterThatMayNotBeOneAnyMoreDecidesNothing) {
  gate_.Open();
  reigns_ = absl::UnavailableError("its lease is not renewed");
  EXPECT_EQ(CodeOf("SendMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("AckMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("GetOffset"), v2::OK) << "it only reads";
  const auto held = Receive();
  EXPECT_FALSE(held->finished());
  EXPECT_EQ(received_, 0);
  reigns_ = absl::OkStatus();
  EXPECT_EQ(CodeOf("SendMessage"), v2::OK);
  EXPECT_TRUE(held->finished()) << "the lease was renewed after all";
  Receive();
  EXPECT_EQ(received_, 1);
}

TEST_F(ReignGateTest, ReceivesAreHeldAndFindNothing) {
  const auto held = Receive();
  EXPECT_FALSE(held->finished());
  gate_.Open();
  EXPECT_TRUE(held->finished());
  const auto elements = held->Elements<v2::ReceiveMessageResponse>();
  ASSERT_EQ(elements.size(), 1u);
  EXPECT_EQ(elements.front().status().code(), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(received_, 0);
  Receive();
  EXPECT_EQ(received_, 1);
}

TEST_F(ReignGateTest, AReignThatHasEndedDecidesNothing) {
  gate_.Open();
  gate_.Close("member 2 is the master of this broker group now");
  EXPECT_EQ(CodeOf("SendMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_NE(last_.find("member 2 is the master"), std::string::npos) << last_;
  EXPECT_EQ(CodeOf("AckMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_EQ(CodeOf("GetOffset"), v2::OK);
  const auto held = Receive();
  EXPECT_FALSE(held->finished());
  gate_.Open();
  EXPECT_TRUE(held->finished());
  EXPECT_EQ(CodeOf("SendMessage"), v2::OK);
}

TEST_F(ReignGateTest, WhileAnotherMemberIsTheMasterNoReignOpensIt) {
  gate_.SetSuperseded("member 2 is the master of this broker group now");
  gate_.Open();
  EXPECT_EQ(CodeOf("SendMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_NE(last_.find("member 2 is the master"), std::string::npos) << last_;
  const auto held = Receive();
  EXPECT_FALSE(held->finished());
  gate_.SetSuperseded("");
  EXPECT_TRUE(held->finished());
  EXPECT_EQ(CodeOf("SendMessage"), v2::OK);
}

TEST_F(ReignGateTest, NobodyElseAsMasterDoesNotBeginAReign) {
  gate_.SetSuperseded("member 2 is the master of this broker group now");
  gate_.SetSuperseded("");
  EXPECT_EQ(CodeOf("AckMessage"), v2::HA_NOT_AVAILABLE) << "its reign has not begun";
  gate_.Open();
  gate_.Close("the broker hands over");
  gate_.SetSuperseded("member 2 is the master of this broker group now");
  gate_.SetSuperseded("");
  EXPECT_EQ(CodeOf("AckMessage"), v2::HA_NOT_AVAILABLE);
  EXPECT_NE(last_.find("hands over"), std::string::npos) << last_;
}

TEST_F(ReignGateTest, ACancelledReceiveIsNotHeldAnyMore) {
  const auto cancelled = Receive();
  cancelled->Cancel();
  EXPECT_EQ(cancelled->times_finished(), 1);
  held_.Stop();
  EXPECT_EQ(cancelled->times_finished(), 1);
  EXPECT_TRUE(Receive()->finished()) << "the broker is stopping";
}

}  // namespace
}  // namespace mansio::broker
