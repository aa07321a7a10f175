// Members that may have lost something in a power cut: what they say, and who is elected.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_group.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LostElectionTest : public ::testing::Test {
 protected:
  // Then nobody is master any more.
  void CutPowerOfAll() {
    const GroupView view = group_.View();
    for (const BrokerId id : view.group->in_sync) group_.Kill(id);
    group_.Pass(absl::Seconds(4));
  }
  // After a power cut, with such a log.
  void BeginAgain(BrokerId id, store::Epoch epoch, store::LogOffset end) {
    group_.Start(id).election->SetStanding({.whole = false, .last_epoch = epoch, .log_end = end});
  }
  std::string Trouble(BrokerId id) { return group_.election(id).State(group_.now()).trouble; }

  ElectionGroup group_;
};

TEST_F(LostElectionTest, WhenAllMayHaveLostSomethingTheOneThatHasMostIsElected) {
  group_.Form({1, 2, 3});
  CutPowerOfAll();
  BeginAgain(1, 1, 100);
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty()) << "member 3 may have more";
  EXPECT_THAT(Trouble(2), HasSubstr("waits for members {3} to say what they have"));
  EXPECT_THAT(group_.View().lost, SizeIs(2));
  BeginAgain(3, 1, 200);
  group_.Pass(absl::Seconds(4));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {1, 2, 3}}));
  EXPECT_THAT(group_.View().lost, IsEmpty()) << "they spoke of the group before";
  EXPECT_TRUE(group_.election(1).AcceptsFrames(2));
}

TEST_F(LostElectionTest, ALaterEpochIsMoreThanALongerLog) {
  group_.Form({1, 2});
  CutPowerOfAll();
  BeginAgain(1, 2, 100);
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1));
  EXPECT_EQ(group_.View().group->epoch, 3u);
}

TEST_F(LostElectionTest, OneThatLacksNothingIsWaitedForAndElected) {
  group_.Form({1, 2, 3});
  CutPowerOfAll();
  BeginAgain(1, 1, 100);
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Seconds(10));
  group_.Start(3).election->SetStanding({.whole = true, .last_epoch = 1, .log_end = 500});
  group_.Pass(absl::Seconds(4));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(3));
}

TEST_F(LostElectionTest, OthersLetTheOneThatHasMostAndSaySo) {
  group_.Form({1, 2});
  CutPowerOfAll();
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Seconds(4));
  group_.Kill(2);
  BeginAgain(1, 1, 100);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  EXPECT_THAT(Trouble(1), HasSubstr("lets member 2 take over"));
  // It has lost its power again, and now has less than it has said.
  BeginAgain(2, 1, 50);
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1));
}

TEST_F(LostElectionTest, AMemberWhoseDiskWasReplacedSaysNothingAndTakesBackWhatItSaid) {
  group_.Form({1, 2});
  CutPowerOfAll();
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Seconds(4));
  ASSERT_THAT(group_.View().lost, SizeIs(1));
  BeginAgain(1, 1, 100);
  group_.Start(2).election->SetStanding({.whole = false, .began_empty = true, .log_end = 0});
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  EXPECT_THAT(Trouble(1), HasSubstr("waits for members {2} to say what they have"));
  EXPECT_THAT(Trouble(2), HasSubstr("its disk was replaced"));
}

TEST_F(LostElectionTest, WhoeverHasSaidWhatItHasTakesNoMoreUntilTheGroupHasChanged) {
  group_.Form({1, 2});
  CutPowerOfAll();
  BeginAgain(2, 1, 300);
  EXPECT_FALSE(group_.election(2).AcceptsFrames(1)) << "it has not looked yet";
  group_.Pass(absl::Seconds(4));
  EXPECT_FALSE(group_.election(2).AcceptsFrames(1));
  EXPECT_EQ(group_.election(2).PromiseAsked(group_.now(), {1, 1}), std::nullopt);
  // The process after it does not know, and does the same.
  group_.Kill(2);
  group_.Start(2).election->SetStanding({.whole = true, .last_epoch = 1});
  group_.Settle();
  EXPECT_FALSE(group_.election(2).AcceptsFrames(1));
}

TEST_F(LostElectionTest, AMemberThatHasTakenFramesIsOpenedAgainToSayWhatItHas) {
  group_.Form({1, 2});
  group_.Kill(2);
  BeginAgain(2, 1, 300);
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.election(2).AcceptsFrames(1));
  group_.Kill(1);
  group_.Pass(absl::Seconds(10));
  EXPECT_TRUE(group_.View().lost.empty());
  EXPECT_EQ(group_.at(2).ends_wanted, 1);
  group_.election(2).SetStanding({.whole = false, .last_epoch = 1, .log_end = 350});
  group_.Pass(absl::Seconds(2));
  ASSERT_THAT(group_.View().lost, SizeIs(1));
  EXPECT_EQ(group_.View().lost.at(2), (LostRecord{group_.View().group_modified, 1, 350}));
  BeginAgain(1, 1, 100);
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(LostElectionTest, WhereOutsidersMayBeElectedTheOneThatHasMostGoesFirst) {
  group_.Form({1, 2, 3});
  CutPowerOfAll();
  for (const BrokerId id : {1, 2}) {
    ElectionOptions options = ElectionGroup::Options(id);
    options.allow_outside = true;
    group_.Start(id, options)
        .election->SetStanding({.whole = false, .last_epoch = 1, .log_end = 100u * id});
  }
  group_.Pass(absl::Seconds(40));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  EXPECT_EQ(group_.View().group->in_sync, (std::set<BrokerId>{2}));
}

}  // namespace
}  // namespace mansio::broker::testing
