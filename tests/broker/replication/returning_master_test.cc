#include "broker/replication/returning_master.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeStream final : public SlaveStream {
 public:
  void Send(v1::MasterMessage) override { sent = true; }
  void End(const absl::Status& status) override { why = status; }
  bool sent = false;
  absl::Status why;
};

store::EpochHistory Epochs(std::vector<store::EpochStart> starts) {
  store::EpochHistory epochs;
  for (const store::EpochStart& start : starts) epochs.Note(start);
  return epochs;
}

constexpr store::EpochStart kReign{.epoch = 5, .first = 100, .began = 7};

// Member 1 is to be the master of {1, 2, 3}, whose record ends at 400; its log ends at 500.
class ReturningMasterTest : public ::testing::Test {
 protected:
  static v1::SlaveMessage Hello(BrokerId id, store::LogOffset end, bool whole,
                                std::vector<store::EpochStart> epochs = {kReign}) {
    v1::SlaveMessage message;
    v1::SlaveHello* const hello = message.mutable_hello();
    hello->set_cluster("c");
    hello->set_broker("b");
    hello->set_id(id);
    ReignsToWire(Epochs(std::move(epochs)), hello->mutable_reigns());
    hello->set_log_end(end);
    hello->set_whole(whole);
    hello->mutable_identity()->set_member(id);
    return message;
  }
  SlaveStreams::Session Say(const v1::SlaveMessage& message) {
    stream_ = std::make_shared<FakeStream>();
    const SlaveStreams::Session session = master_.Opened(stream_);
    master_.Received(session, message);
    return session;
  }
  BrokerId Master() const { return master_.Decide().master; }
  static ReturningMasterOptions Whole(size_t min_in_sync) {
    return {.cluster = "c",
            .broker = "b",
            .id = 1,
            .log = {Epochs({kReign}), 0, 500},
            .in_sync = {.members = {1, 2, 3}, .end = 400},
            .min_in_sync = min_in_sync,
            .is_whole = [] { return true; }};
  }
  static BrokerId After(ReturningMaster& master, const v1::SlaveMessage& message) {
    master.Received(master.Opened(std::make_shared<FakeStream>()), message);
    return master.Decide().master;
  }

  ReturningMaster master_{{.cluster = "c",
                           .broker = "b",
                           .id = 1,
                           .log = {Epochs({kReign}), 0, 500},
                           .in_sync = {.members = {1, 2, 3}, .end = 400}}};
  std::shared_ptr<FakeStream> stream_;
};

TEST_F(ReturningMasterTest, OneThatIsAloneInTheSetBegins) {
  const ReturningMaster alone({.id = 1, .in_sync = {.members = {1}}});
  EXPECT_EQ(alone.Decide().master, 1);
}

TEST_F(ReturningMasterTest, OneMemberThatHasLostNothingIsEnough) {
  EXPECT_EQ(Master(), 0);
  EXPECT_THAT(master_.Decide().silent, ElementsAre(2, 3));
  Say(Hello(2, 500, /*whole=*/true));
  EXPECT_EQ(Master(), 1) << "nothing is lost";
  EXPECT_FALSE(stream_->sent) << "no log may move";
  Say(Hello(3, 600, /*whole=*/false));
  EXPECT_EQ(Master(), 3);
  EXPECT_EQ(master_.Decide().heir.member(), 3);
}

TEST_F(ReturningMasterTest, TakesNoMoreOfAStrangerThanAMasterDoes) {
  Say(Hello(1000, 500, /*whole=*/true));
  EXPECT_TRUE(absl::IsFailedPrecondition(stream_->why)) << stream_->why;
  v1::SlaveMessage talker = Hello(2, 500, /*whole=*/true);
  talker.mutable_hello()->mutable_identity()->set_version(std::string(9 << 10, 'v'));
  Say(talker);
  EXPECT_TRUE(absl::IsInvalidArgument(stream_->why)) << stream_->why;
  std::vector<store::EpochStart> reigns;
  for (uint64_t n = 1; n <= 70'000; ++n) reigns.push_back({.epoch = n, .first = n * 8});
  Say(Hello(2, 1'000'000, /*whole=*/true, reigns));
  EXPECT_TRUE(absl::IsInvalidArgument(stream_->why)) << stream_->why;
  EXPECT_THAT(master_.Members(), IsEmpty());
}

TEST_F(ReturningMasterTest, StreamsThatFallSilentEnd) {
  const auto mute = std::make_shared<FakeStream>();
  master_.Opened(mute);
  master_.EndSilent(absl::Seconds(100));
  Say(Hello(2, 500, /*whole=*/true));
  master_.EndSilent(absl::Seconds(109));
  EXPECT_EQ(mute->why, absl::OkStatus());
  master_.EndSilent(absl::Seconds(111));
  EXPECT_TRUE(absl::IsDeadlineExceeded(mute->why)) << mute->why;
  EXPECT_EQ(stream_->why, absl::OkStatus());
  EXPECT_EQ(Master(), 1);
  master_.EndSilent(absl::Seconds(120));
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream_->why)) << stream_->why;
  EXPECT_EQ(Master(), 0);
}

TEST_F(ReturningMasterTest, OneThatIsStillOnItsWayIntoTheSetIsNot) {
  Say(Hello(2, 399, /*whole=*/true));
  EXPECT_EQ(Master(), 0);
  EXPECT_THAT(master_.Decide().silent, ElementsAre(3));
  Say(Hello(3, 450, /*whole=*/true));
  EXPECT_EQ(Master(), 1);
}

TEST_F(ReturningMasterTest, WhereAllMayHaveLostSomethingAllAreHeard) {
  Say(Hello(2, 600, /*whole=*/false));
  EXPECT_EQ(Master(), 0);
  const SlaveStreams::Session third = Say(Hello(3, 700, /*whole=*/false));
  EXPECT_EQ(Master(), 3);
  // What it said counts as long as it is there: it may have got another master.
  master_.Closed(third);
  EXPECT_EQ(Master(), 0);
  Say(Hello(3, 700, /*whole=*/false, {kReign, {.epoch = 6, .first = 650, .began = 9}}));
  EXPECT_EQ(Master(), 3);
}

TEST_F(ReturningMasterTest, OneOutsideTheSetSaysNothing) {
  Say(Hello(4, 900, /*whole=*/true));
  EXPECT_EQ(Master(), 0);
  EXPECT_EQ(master_.Members().size(), 1u) << "it can be told all the same";
}

TEST_F(ReturningMasterTest, AnEmptyLogIsNoAnswer) {
  Say(Hello(2, 500, /*whole=*/false));
  Say(Hello(3, 0, /*whole=*/false, {}));
  EXPECT_EQ(Master(), 0);
  EXPECT_THAT(master_.Decide().silent, ElementsAre(3));
}

TEST_F(ReturningMasterTest, ALogThatHasPartedIsNoAnswer) {
  Say(Hello(2, 900, /*whole=*/true, {kReign, {.epoch = 6, .first = 450, .began = 9}}));
  EXPECT_EQ(Master(), 0);
  EXPECT_THAT(master_.Decide().parted, ElementsAre(2));
  EXPECT_THAT(master_.Decide().silent, ElementsAre(2, 3));
}

TEST_F(ReturningMasterTest, OneThatLacksNothingItselfWaitsForSoManyAsItsReignNeeds) {
  const ReturningMaster alone(Whole(/*min_in_sync=*/1));
  EXPECT_EQ(alone.Decide().master, 1);
  ReturningMaster two(Whole(/*min_in_sync=*/2));
  EXPECT_EQ(two.Decide().master, 0);
  EXPECT_EQ(After(two, Hello(2, 900, /*whole=*/true)), 2) << "it would be refused";
  ReturningMaster replaced(Whole(/*min_in_sync=*/2));
  EXPECT_EQ(After(replaced, Hello(2, 0, /*whole=*/false, {})), 1) << "its disk is new";
  ReturningMaster all(Whole(/*min_in_sync=*/3));
  EXPECT_EQ(After(all, Hello(2, 500, /*whole=*/true)), 0);
  EXPECT_EQ(After(all, Hello(3, 700, /*whole=*/true)), 3);
}

TEST_F(ReturningMasterTest, WhoIsNoSlaveOfTheGroupIsRefused) {
  v1::SlaveMessage other = Hello(2, 500, /*whole=*/true);
  other.mutable_hello()->set_broker("x");
  Say(other);
  EXPECT_TRUE(absl::IsFailedPrecondition(stream_->why)) << stream_->why;
  Say(Hello(1, 500, /*whole=*/true));
  EXPECT_TRUE(absl::IsFailedPrecondition(stream_->why)) << stream_->why;
  Say(v1::SlaveMessage());
  EXPECT_TRUE(absl::IsInvalidArgument(stream_->why)) << stream_->why;
  EXPECT_EQ(Master(), 0);
  EXPECT_THAT(master_.Members(), IsEmpty());
}

}  // namespace
}  // namespace mansio::broker
