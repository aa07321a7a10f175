// Who is elected.

#include "broker/election/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ElectionTest, AGroupThatEtcdDoesNotKnowIsFoundedByOneMember) {
  group_.Start(2);
  group_.Pass(absl::Minutes(1));
  EXPECT_FALSE(group_.View().group.has_value()) << "member 2 may not";
  group_.Start(1).election->SetStanding({.may_stand = true, .last_epoch = 41});
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1));
  EXPECT_EQ(group_.View().group, (ElectionRecord{42, {1}}));
  EXPECT_EQ(group_.View().master, (MasterRecord{1, 42, "host-1:8081"}));
  EXPECT_EQ(group_.at(1).reign->epoch(), 42u);
  EXPECT_EQ(group_.at(2).master, group_.View().master);
  EXPECT_FALSE(group_.at(1).master.has_value()) << "it is told of others";
}

TEST_F(ElectionTest, AMemberOfTheSetFollowsAMasterThatIsGone) {
  group_.Form({1, 2});
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 1});
  group_.Kill(1);
  group_.Pass(absl::Milliseconds(2900));
  EXPECT_FALSE(group_.MayAcknowledge(2)) << "the lease of member 1 is 3 s";
  group_.Pass(absl::Seconds(2));
  EXPECT_TRUE(group_.MayAcknowledge(2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2}}));
}

TEST_F(ElectionTest, TheMasterThatIsGoneLeavesTheSetWithItsReign) {
  group_.Form({1, 2, 3});
  group_.Kill(1);
  group_.Kill(3);  // nobody knows that yet: the new master waits for it
  group_.Pass(absl::Seconds(5));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2, 3}}));
  EXPECT_THAT(group_.at(2).recorded.front(), ElementsAre(2, 3));
}

TEST_F(ElectionTest, UnlessTooFewWouldBeLeft) {
  for (const BrokerId id : {1, 2}) {
    ElectionOptions options = Options(id);
    options.min_in_sync = 2;
    group_.Start(id, options);
  }
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Seconds(1));
  group_.Kill(1);
  group_.Pass(absl::Seconds(5));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {1, 2}}));
}

TEST_F(ElectionTest, AMasterThatIsElectedAgainStaysInTheSet) {
  group_.Form({1, 2});
  group_.Kill(2);
  group_.at(1).sees_etcd = group_.at(1).sees_others = false;
  group_.Pass(absl::Seconds(5));
  group_.at(1).sees_etcd = true;
  group_.election(1).StepDown("its disk has failed");
  group_.Pass(absl::Seconds(1));
  group_.election(1).SetStanding({.may_stand = true, .last_epoch = 1});
  group_.Pass(absl::Seconds(5));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {1, 2}}));
}

TEST_F(ElectionTest, AMasterWhoseLogDoesNotBeginItsReignGivesItUp) {
  for (const BrokerId id : {1, 2}) {
    ElectionOptions options = Options(id);
    options.take_up = absl::Seconds(20);
    group_.Start(id, options);
  }
  group_.Pass(absl::Seconds(3));
  group_.election(1).SetStanding({.may_stand = true, .last_epoch = 1});
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Minutes(1));
  ASSERT_THAT(group_.Acknowledging(), ElementsAre(1));
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 1});
  group_.Kill(1);
  group_.Pass(absl::Seconds(10));
  ASSERT_EQ(group_.View().master->id, 2);
  group_.Pass(absl::Seconds(20));
  EXPECT_FALSE(group_.View().master.has_value()) << "somebody else may stand";
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 1});
  group_.Pass(absl::Seconds(5));
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 3});
  group_.Pass(absl::Minutes(1));
  EXPECT_EQ(group_.View().group->epoch, 3u);
  EXPECT_TRUE(group_.MayAcknowledge(2));
}

TEST_F(ElectionTest, WhoIsMasterNoLongerByTheGroupsRecordLeavesNothing) {
  group_.Form({1, 2, 3});
  // Member 3 does not hear of the reign of member 2, which ends in order.
  group_.at(3).sees_etcd = false;
  group_.election(1).Resign();
  group_.Pass(absl::Seconds(5));
  ASSERT_THAT(group_.Acknowledging(), ElementsAre(2));
  ASSERT_TRUE(group_.election(2).ProposeInSync({1, 2, 3}).ok());
  group_.Pass(absl::Seconds(1));
  group_.election(2).Resign();
  group_.Settle();
  group_.at(3).sees_etcd = true;
  group_.Pass(absl::Seconds(5));
  EXPECT_EQ(group_.View().group, (ElectionRecord{3, {1, 2, 3}})) << "member 1 was master before";
}

TEST_F(ElectionTest, ItsEpochIsGreaterThanAllInItsLog) {
  group_.Form({1, 2});
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 1000});
  group_.Kill(1);
  group_.Pass(absl::Seconds(5));
  EXPECT_EQ(group_.View().group->epoch, 1001u);
  EXPECT_EQ(group_.at(2).reign->epoch(), 1001u);
}

TEST_F(ElectionTest, WithoutAnEpochThatIsLeftNobodyIsElected) {
  group_.Form({1, 2});
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = store::kMaxEpoch});
  group_.Kill(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_FALSE(group_.MayAcknowledge(2));
  EXPECT_EQ(group_.View().group->epoch, 1u);
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble, HasSubstr("no epoch is left"));
  Election& election = group_.election(2);
  EXPECT_FALSE(election.AcceptsFrames(store::kMaxEpoch + 1));
  EXPECT_TRUE(election.AcceptsFrames(store::kMaxEpoch));
}

TEST_F(ElectionTest, NobodyOutsideTheSetIsElected) {
  group_.Form({1});
  group_.Start(2);
  group_.Kill(1);
  group_.Pass(absl::Minutes(5));
  EXPECT_FALSE(group_.MayAcknowledge(2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{1, {1}}));
}

TEST_F(ElectionTest, UnlessThatIsAllowedAndTheSetHasHadItsTime) {
  group_.Form({1});
  ElectionOptions options = Options(2);
  options.allow_outside = true;
  group_.Start(2, options);
  group_.Kill(1);
  group_.Pass(absl::Seconds(29));
  EXPECT_FALSE(group_.MayAcknowledge(2));
  group_.Pass(absl::Seconds(6));
  EXPECT_TRUE(group_.MayAcknowledge(2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2}}));
}

TEST_F(ElectionTest, AMemberThatLacksSomethingDoesNotStand) {
  group_.Form({1, 2});
  group_.election(2).SetStanding({.may_stand = false, .last_epoch = 1});
  group_.Kill(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_FALSE(group_.MayAcknowledge(2));
  group_.election(2).SetStanding({.may_stand = true, .last_epoch = 1});
  group_.Pass(absl::Seconds(2));
  EXPECT_TRUE(group_.MayAcknowledge(2));
}

TEST_F(ElectionTest, AMemberThatMayHaveLostSomethingInAPowerCutIsAsOneOutsideTheSet) {
  group_.Form({1, 2});
  group_.election(2).SetStanding({.whole = false, .last_epoch = 1});
  group_.Kill(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_FALSE(group_.MayAcknowledge(2));
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble, HasSubstr("lost its power"));
  group_.election(2).SetStanding({.whole = true, .last_epoch = 1});
  group_.Pass(absl::Seconds(2));
  EXPECT_TRUE(group_.MayAcknowledge(2));
  EXPECT_EQ(group_.election(2).State(group_.now()).trouble, "");
}

TEST_F(ElectionTest, UnlessNobodyElseIsInTheSetOrThatIsAllowed) {
  group_.Form({1});
  group_.Kill(1);
  group_.Start(1).election->SetStanding({.whole = false, .last_epoch = 1});
  group_.Pass(absl::Seconds(8));
  EXPECT_TRUE(group_.MayAcknowledge(1)) << "nobody has more";

  ElectionGroup other;
  other.Form({1, 2});
  other.Kill(1);
  other.Kill(2);
  ElectionOptions options = Options(2);
  options.allow_outside = true;
  other.Start(2, options).election->SetStanding({.whole = false, .last_epoch = 1});
  other.Pass(absl::Seconds(20));
  EXPECT_FALSE(other.MayAcknowledge(2));
  other.Pass(absl::Seconds(30));
  EXPECT_TRUE(other.MayAcknowledge(2));
  EXPECT_EQ(other.View().group->in_sync, (std::set<BrokerId>{2}));
}

TEST_F(ElectionTest, WhoDoesNotStandSaysWhy) {
  group_.Start(2);
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble, HasSubstr("election.founds"));
  group_.Form({1});
  EXPECT_EQ(group_.election(2).State(group_.now()).trouble, "");
  group_.Kill(1);
  group_.Pass(absl::Seconds(10));
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble,
              HasSubstr("not one of the in-sync set {1}"));
}

TEST_F(ElectionTest, AMemberThatBeginsAgainWaitsForWhatItMayHavePromised) {
  group_.Form({1, 2});
  group_.Kill(1);
  group_.Pass(absl::Seconds(2));
  group_.Start(2);
  group_.Pass(absl::Milliseconds(1900));
  EXPECT_FALSE(group_.View().master.has_value());
  group_.Pass(absl::Milliseconds(200));
  EXPECT_TRUE(group_.MayAcknowledge(2));
}

TEST_F(ElectionTest, WhatEtcdHasAndNobodyUnderstandsStopsEverythingAndIsNamed) {
  group_.etcd.Put("/mansio/c/b/group", "{\"epoch\":3}");
  group_.Start(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_FALSE(group_.MayAcknowledge(1));
  EXPECT_THAT(group_.election(1).State(group_.now()).trouble, HasSubstr("/mansio/c/b/group"));
}

}  // namespace
}  // namespace mansio::broker::testing
