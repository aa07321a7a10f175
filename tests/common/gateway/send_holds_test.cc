#include "common/gateway/send_holds.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "common/rpc/testing/fake_call.h"
#include "common/status/wire_status.h"
#include "common/timer/timer_queue.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr char kMe[] = "me";

class SendHoldsTest : public ::testing::Test {
 protected:
  // Sends to a topic; the send counts as submitted when it is let through.
  rpc::testing::FakeUnaryCall& Send(const std::string& topic, size_t bytes = 1) {
    calls_.push_back(std::make_unique<rpc::testing::FakeUnaryCall>(std::string(bytes, 'x')));
    Try(topic, *calls_.back());
    return *calls_.back();
  }
  void Try(const std::string& topic, rpc::UnaryCall& call) {
    if (holds_.Pass(topic, call, [this, topic, &call] { Try(topic, call); })) ++submitted_;
  }
  void Advance(int64_t ms) {
    now_ms_ += ms;
    timers_.RunDue();
  }

  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  SendHolds holds_{{.sends = 2, .bytes = 100}, &timers_};
  std::vector<std::unique_ptr<rpc::testing::FakeUnaryCall>> calls_;
  int submitted_ = 0;
};

TEST_F(SendHoldsTest, OnlySendsOfTheTopicWaitUntilItIsReleased) {
  holds_.Hold("held", kMe, 1000);
  Send("held");
  EXPECT_EQ(submitted_, 0);
  Send("other");
  EXPECT_EQ(submitted_, 1);
  holds_.Release("held", kMe);
  EXPECT_EQ(submitted_, 2);
  Send("held");
  EXPECT_EQ(submitted_, 3);
}

TEST_F(SendHoldsTest, AHoldEndsByItself) {
  holds_.Hold("held", kMe, 1000);
  Send("held");
  Advance(999);
  EXPECT_EQ(submitted_, 0);
  Advance(1);
  EXPECT_EQ(submitted_, 1) << "whoever asked for it may be gone";
}

TEST_F(SendHoldsTest, OneThatIsAskedForAgainGoesOn) {
  holds_.Hold("held", kMe, 1000);
  Send("held");
  Advance(900);
  holds_.Hold("held", kMe, 1000);
  Advance(900);
  EXPECT_EQ(submitted_, 0);
  Advance(100);
  EXPECT_EQ(submitted_, 1);
}

// What ends it is on its way into the log, which may take its time.
TEST_F(SendHoldsTest, OneThatIsKeptLastsUntilThatIsDone) {
  EXPECT_FALSE(holds_.Keep("held", kMe));
  holds_.Hold("held", kMe, 1000);
  Send("held");
  EXPECT_TRUE(holds_.Keep("held", kMe));
  Advance(3600 * 1000);
  EXPECT_EQ(submitted_, 0);
  EXPECT_FALSE(holds_.PassNow("held").has_value());
  holds_.Release("held", kMe);
  EXPECT_EQ(submitted_, 0) << "its holder does not know better";
  holds_.Done("held", kMe);
  EXPECT_EQ(submitted_, 1);
  EXPECT_FALSE(holds_.Keep("held", kMe));
  EXPECT_TRUE(holds_.PassNow("held").has_value());
  holds_.Hold("held", kMe, 1000);
  Advance(1000);
  EXPECT_TRUE(holds_.PassNow("held").has_value()) << "the next one is kept no more";
}

TEST_F(SendHoldsTest, OneIsItsHoldersWhileItLasts) {
  EXPECT_TRUE(holds_.Hold("held", kMe, 1000));
  Send("held");
  EXPECT_FALSE(holds_.Hold("held", "another", 5000));
  EXPECT_FALSE(holds_.Keep("held", "another"));
  holds_.Release("held", "another");
  Advance(999);
  EXPECT_EQ(submitted_, 0);
  Advance(1);
  EXPECT_EQ(submitted_, 1) << "nobody else has made it longer";
  EXPECT_TRUE(holds_.Hold("held", "another", 1000));
}

TEST_F(SendHoldsTest, NoneLastsLongerThanClientsWait) {
  holds_.Hold("held", kMe, 3600 * 1000);
  Send("held");
  Advance(SendHolds::kLongestMs);
  EXPECT_EQ(submitted_, 1);
}

TEST_F(SendHoldsTest, SendsBeyondTheLimitAreRefused) {
  holds_.Hold("held", kMe, 1000);
  Send("held");
  Send("held");
  const auto& third = Send("held");
  ASSERT_TRUE(third.finished());
  EXPECT_EQ(third.Response<v2::SendMessageResponse>().status().code(), v2::TOO_MANY_REQUESTS);
  holds_.Release("held", kMe);
  EXPECT_EQ(submitted_, 2);
  holds_.Hold("held", kMe, 1000);
  EXPECT_FALSE(Send("held").finished()) << "those that wait no more do not count";
}

TEST_F(SendHoldsTest, BytesThatWaitAreLimitedToo) {
  holds_.Hold("held", kMe, 1000);
  EXPECT_FALSE(Send("held", 60).finished());
  EXPECT_TRUE(Send("held", 60).finished());
  holds_.Release("held", kMe);
  holds_.Hold("held", kMe, 1000);
  EXPECT_FALSE(Send("held", 60).finished());
}

TEST_F(SendHoldsTest, NothingWaitsOnceItIsStopped) {
  holds_.Hold("held", kMe, 1000);
  Send("held");
  holds_.Stop();
  EXPECT_EQ(submitted_, 1);
  holds_.Hold("held", kMe, 1000);
  Send("held");
  EXPECT_EQ(submitted_, 2);
}

}  // namespace
}  // namespace mansio::gateway
