#include "broker/server/decision_hold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/public_service.h"
#include "common/rpc/testing/fake_call.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

using rpc::Holding;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DecisionHoldTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  std::vector<Holding> told_;
  DecisionHold hold_{&clock_, [this](Holding what) { told_.push_back(what); }};
};

TEST_F(DecisionHoldTest, TellsWhatWaitsFromTheFirstLookOn) {
  hold_.Look(true);
  hold_.Look(true);
  EXPECT_THAT(told_, ElementsAre(Holding::kNothing));
  hold_.Look(false);
  hold_.Look(false);
  EXPECT_THAT(told_, ElementsAre(Holding::kNothing, Holding::kDecisions));
  hold_.Look(true);
  EXPECT_THAT(told_, ElementsAre(Holding::kNothing, Holding::kDecisions, Holding::kNothing));
}

TEST_F(DecisionHoldTest, WhereNobodyComesCallsAreAnsweredAtOnceAgain) {
  hold_.Look(false);
  clock_.Advance(absl::Seconds(9));
  hold_.Look(false);
  EXPECT_THAT(told_, ElementsAre(Holding::kDecisions));
  clock_.Advance(absl::Seconds(1));
  hold_.Look(false);
  EXPECT_THAT(told_, ElementsAre(Holding::kDecisions, Holding::kNothing));
  hold_.Look(true);
  hold_.Look(false);
  EXPECT_THAT(told_, ElementsAre(Holding::kDecisions, Holding::kNothing, Holding::kDecisions));
}

TEST(MarkDecisionsTest, MarksWhatOnlyAMasterCanServe) {
  rpc::MethodTable methods;
  for (const char* name : {"SendMessage", "GetOffset", "QueryRoute"}) {
    methods.unary.push_back({gateway::MessagingPath(name), [](rpc::UnaryCall&) {}});
  }
  MarkDecisions(methods);
  EXPECT_TRUE(methods.unary[0].decides);
  EXPECT_FALSE(methods.unary[1].decides);
  EXPECT_FALSE(methods.unary[2].decides);

  rpc::testing::FakeUnaryCall call("");
  methods.unary[0].refuse(call);
  v2::SendMessageResponse response;
  ASSERT_TRUE(response.ParseFromString(call.response_bytes()));
  EXPECT_EQ(response.status().code(), v2::HA_NOT_AVAILABLE);
  EXPECT_THAT(response.status().message(), HasSubstr("try again"));
}

}  // namespace
}  // namespace mansio::broker
