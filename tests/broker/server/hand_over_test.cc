#include "broker/server/hand_over.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <thread>

#include "apache/rocketmq/v2/service.pb.h"
#include "common/gateway/public_service.h"
#include "common/rpc/testing/fake_call.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

using ::testing::HasSubstr;

// Member 1 is the master of {1, 2, 3}, elected; its log ends at 100.
class HandOverTest : public ::testing::Test {
 protected:
  HandOverTest() {
    methods_.unary.push_back({gateway::MessagingPath("AckMessage"), [](rpc::UnaryCall& call) {
                                v2::AckMessageResponse response;
                                response.mutable_status()->set_code(v2::OK);
                                call.Finish(rpc::Payload(response.SerializeAsString()));
                              }});
    gate_.Protect(methods_);
    slaves_ = {{.id = 2, .connected = true, .in_sync = true, .held = 40},
               {.id = 3, .connected = true, .in_sync = true, .held = 60}};
  }

  HandOver::Environment Environment() {
    HandOver::Environment environment;
    environment.broker = "b";
    environment.self = 1;
    environment.clock = &clock_;
    environment.timers = &timers_;
    environment.gate = &gate_;
    environment.slaves = [this] {
      std::vector<SlaveState> slaves = slaves_;
      if (heir_gone_) {
        ++looks_for_gone_;
        slaves.clear();
      }
      return slaves;
    };
    environment.in_sync = [] { return std::set<BrokerId>{1, 2, 3}; };
    environment.committed_end = [this] { return end_; };
    environment.changed = [this] { told_ = hand_over_.reigns(); };
    environment.is_deposed = [this] { return deposed_.load(); };
    environment.may_elect = [this](BrokerId) { return may_elect_; };
    environment.elect = [this](BrokerId heir) {
      elected_ = heir;
      deposed_ = true;
      return absl::OkStatus();
    };
    return environment;
  }
  void Pass(absl::Duration time) {
    const absl::Duration end = clock_.BootNow() + time;
    while (clock_.BootNow() < end) {
      clock_.Advance(absl::Milliseconds(10));
      timers_.RunDue();
    }
  }
  void Begin(BrokerId heir) {
    hand_over_.To(heir, [this](const absl::Status& status) {
      EXPECT_FALSE(came_.has_value()) << "a second answer";
      came_ = status;
    });
  }
  bool TakesCalls() {
    rpc::testing::FakeUnaryCall call(v2::AckMessageRequest().SerializeAsString());
    methods_.unary.front().handler(call);
    const v2::Code code = call.Response<v2::AckMessageResponse>().status().code();
    EXPECT_EQ(code == v2::OK, hand_over_.reigns());
    EXPECT_EQ(told_, hand_over_.reigns());
    return code == v2::OK;
  }
  // Until StepAside has returned; time passes meanwhile.
  void StepAside() {
    std::atomic<bool> returned{false};
    std::thread ending([&] {
      hand_over_.StepAside();
      returned = true;
    });
    while (!returned) {
      clock_.Advance(absl::Milliseconds(10));
      if (!timers_stopped_) timers_.RunDue();
      std::this_thread::yield();
    }
    ending.join();
  }

  FakeClock clock_;
  gateway::ClientRegistry clients_{{}, &clock_};
  TimerQueue timers_{[this] { return absl::ToInt64Milliseconds(clock_.BootNow()); }};
  HeldReceives held_{{}, &clients_, &timers_};
  ReignGate gate_{&held_, [] { return absl::OkStatus(); }};
  rpc::MethodTable methods_;
  std::vector<SlaveState> slaves_;
  std::optional<store::LogOffset> end_ = 100;
  std::atomic<bool> deposed_{false};
  absl::Status may_elect_;
  std::atomic<bool> heir_gone_{false};
  std::atomic<int> looks_for_gone_{0};
  std::optional<BrokerId> elected_;
  bool timers_stopped_ = false;
  bool told_ = false;
  std::optional<absl::Status> came_;
  HandOver hand_over_{Environment()};
};

TEST_F(HandOverTest, TheHeirGetsAllAndTheMasterTakesNoMore) {
  hand_over_.TakeCalls();
  ASSERT_TRUE(TakesCalls());
  Begin(3);
  EXPECT_FALSE(TakesCalls());
  Pass(absl::Seconds(1));
  EXPECT_FALSE(came_.has_value()) << "it holds 60 of 100";
  slaves_[1].held = 100;
  end_.reset();
  Pass(absl::Seconds(1));
  EXPECT_FALSE(came_.has_value()) << "something is not committed";
  end_ = 100;
  Pass(absl::Milliseconds(50));
  EXPECT_EQ(came_, absl::OkStatus());
  EXPECT_FALSE(TakesCalls());
}

TEST_F(HandOverTest, AfterOneThatFailsTheMasterGoesOn) {
  hand_over_.TakeCalls();
  Begin(3);
  slaves_[1].held = 100;
  slaves_[1].connected = false;
  Pass(absl::Seconds(10));
  EXPECT_FALSE(came_.has_value());
  EXPECT_FALSE(TakesCalls());
  Pass(absl::Seconds(1));
  ASSERT_TRUE(came_.has_value());
  EXPECT_TRUE(absl::IsDeadlineExceeded(*came_)) << *came_;
  EXPECT_TRUE(TakesCalls());
}

TEST_F(HandOverTest, WhatCannotBeIsRefused) {
  Begin(3);
  EXPECT_TRUE(absl::IsFailedPrecondition(*came_)) << "its reign has not begun";
  hand_over_.TakeCalls();
  for (const BrokerId heir : {1, 4}) {
    came_.reset();
    Begin(heir);
    EXPECT_THAT(std::string(came_->message()), HasSubstr("in-sync members {1, 2, 3}"));
    EXPECT_TRUE(TakesCalls());
  }
  came_.reset();
  Begin(3);
  std::optional<absl::Status> second;
  hand_over_.To(2, [&](const absl::Status& status) { second = status; });
  ASSERT_TRUE(second.has_value());
  EXPECT_TRUE(absl::IsFailedPrecondition(*second)) << *second;
}

TEST_F(HandOverTest, NothingIsGivenUpWhileNobodyCouldBeElected) {
  hand_over_.TakeCalls();
  may_elect_ = absl::UnavailableError("etcd is not reached");
  Begin(3);
  EXPECT_EQ(came_, may_elect_);
  EXPECT_TRUE(TakesCalls());
  StepAside();
  EXPECT_FALSE(elected_.has_value());
  EXPECT_TRUE(TakesCalls());
}

TEST_F(HandOverTest, AnEndDoesNotWaitForAnHeirThatHasGone) {
  hand_over_.TakeCalls();
  timers_.ScheduleAfter(1000, [this] { heir_gone_ = true; });
  StepAside();
  EXPECT_FALSE(elected_.has_value());
  EXPECT_LE(looks_for_gone_, 2);
}

TEST_F(HandOverTest, ADeposedMasterEndsItAtOnceAndTakesNothing) {
  hand_over_.TakeCalls();
  Begin(3);
  Pass(absl::Seconds(1));
  deposed_ = true;
  slaves_[1].held = 100;
  Pass(absl::Milliseconds(50));
  ASSERT_TRUE(came_.has_value());
  EXPECT_TRUE(absl::IsAborted(*came_)) << *came_;
  EXPECT_FALSE(TakesCalls());
  Pass(absl::Minutes(1));
  hand_over_.TakeCalls();
  EXPECT_FALSE(TakesCalls()) << "nor when somebody asks for it";
}

TEST_F(HandOverTest, StepsAsideForTheMemberThatHasMost) {
  hand_over_.TakeCalls();
  slaves_[0].held = slaves_[1].held = 100;
  slaves_.push_back({.id = 4, .connected = true, .held = 200});
  slaves_.push_back({.id = 5, .in_sync = true, .held = 200});
  slaves_[1].held = 101;
  StepAside();
  EXPECT_EQ(elected_, 3);
  EXPECT_FALSE(TakesCalls());
}

TEST_F(HandOverTest, StepsAsideForNobodyWhoIsNotInSync) {
  hand_over_.TakeCalls();
  for (SlaveState& slave : slaves_) slave.in_sync = false;
  hand_over_.StepAside();
  EXPECT_FALSE(elected_.has_value());
  EXPECT_TRUE(TakesCalls());
}

TEST_F(HandOverTest, AnEndWaitsForNobodyForEver) {
  hand_over_.TakeCalls();
  StepAside();
  EXPECT_FALSE(elected_.has_value()) << "nobody gets all of the log";
  EXPECT_TRUE(TakesCalls());
  timers_stopped_ = true;
  StepAside();
  EXPECT_FALSE(elected_.has_value()) << "nobody looks at the heir";
}

}  // namespace
}  // namespace mansio::broker
