#include "broker/server/returning_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DeafStream final : public SlaveStream {
 public:
  void Send(v1::MasterMessage) override {}
  void End(const absl::Status&) override {}
};

store::EpochHistory Epochs() {
  store::EpochHistory epochs;
  epochs.Note({.epoch = 5, .first = 100, .began = 7});
  return epochs;
}

// Member 1 of {1, 2, 3}, whose log ends at 500.
class ReturningServiceTest : public ::testing::Test {
 protected:
  SlaveStreams::Session Say(BrokerId id, store::LogOffset end) {
    v1::SlaveMessage message;
    v1::SlaveHello* const hello = message.mutable_hello();
    hello->set_broker("b");
    hello->set_id(id);
    ReignsToWire(Epochs(), hello->mutable_reigns());
    hello->set_log_end(end);
    hello->set_whole(true);
    hello->mutable_identity()->set_member(id);
    const SlaveStreams::Session session =
        service_.streams()->Opened(std::make_shared<DeafStream>());
    service_.streams()->Received(session, message);
    return session;
  }

  FakeClock clock_;
  int begun_ = 0;
  std::vector<BrokerId> asked_;
  std::function<void(const absl::Status&)> answer_;
  ReturningService service_{
      {.broker = "b", .id = 1, .log = {Epochs(), 0, 500}, .in_sync = {.members = {1, 2, 3}}},
      {.clock = &clock_,
       .begin = [this] { ++begun_; },
       .promote =
           [this](const v1::BrokerIdentity& heir, auto done) {
             asked_.push_back(heir.member());
             answer_ = std::move(done);
           }}};
};

TEST_F(ReturningServiceTest, BeginsOnceItHasAll) {
  service_.Work();
  EXPECT_THAT(service_.trouble(), HasSubstr("waits for one of the in-sync members {2, 3}"));
  EXPECT_EQ(begun_, 0);
  Say(2, 500);
  service_.Work();
  service_.Work();
  EXPECT_EQ(begun_, 1);
  EXPECT_FALSE(service_.HandOver(2).ok()) << "it is about to begin";
}

TEST_F(ReturningServiceTest, AsksTheOneThatHasMoreUntilItIsTheMaster) {
  Say(3, 900);
  service_.Work();
  service_.Work();
  EXPECT_THAT(asked_, ElementsAre(3));
  answer_(absl::UnavailableError("no way"));
  service_.Work();
  EXPECT_THAT(asked_, ElementsAre(3)) << "not at once";
  EXPECT_THAT(service_.trouble(), HasSubstr("member 3 has more, and is to be the master (no way)"));
  clock_.Advance(absl::Seconds(3));
  service_.Work();
  EXPECT_THAT(asked_, ElementsAre(3, 3));
  EXPECT_EQ(begun_, 0);
}

TEST_F(ReturningServiceTest, SaysWhatOneThatLacksNothingWaitsFor) {
  ReturningService whole({.broker = "b",
                          .id = 1,
                          .log = {Epochs(), 0, 500},
                          .in_sync = {.members = {1, 2}},
                          .min_in_sync = 2,
                          .is_whole = [] { return true; }},
                         {.clock = &clock_, .begin = [this] { ++begun_; }});
  EXPECT_EQ(whole.Work(), absl::Seconds(1));
  EXPECT_EQ(begun_, 0);
  EXPECT_THAT(whole.trouble(), HasSubstr("all that was acknowledged is here"));
}

TEST_F(ReturningServiceTest, HandsOverToNobodyElse) {
  EXPECT_FALSE(service_.HandOver(2).ok());
  const SlaveStreams::Session third = Say(3, 900);
  EXPECT_FALSE(service_.HandOver(2).ok());
  EXPECT_EQ(service_.HandOver(3), absl::OkStatus());
  service_.streams()->Closed(third);
  Say(2, 500);
  service_.Work();
  EXPECT_EQ(begun_, 0) << "it has given its word";
  service_.Resume();
  service_.Work();
  EXPECT_EQ(begun_, 1);
}

}  // namespace
}  // namespace mansio::broker
