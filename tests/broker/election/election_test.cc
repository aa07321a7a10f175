// Each rule of the election by itself.

#include "broker/election/election.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/election/election_group.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ElectionTest : public ::testing::Test {
 protected:
  ElectionOptions Options(BrokerId id) { return ElectionGroup::Options(id); }
  // The one request that there is.
  static EtcdRequest RequestOf(const ElectionWork& work) {
    EXPECT_EQ(work.requests.size(), 1u);
    return work.requests.at(0);
  }
  // A member that is not in group_ looks at etcd, where there is no master, and asks for a lease.
  EtcdRequest AskForLease(Election& election, absl::Duration now) {
    const auto next = [&election] {
      const ElectionWork work = election.TakeWork();
      EXPECT_THAT(work.events, IsEmpty());
      return RequestOf(work);
    };
    election.Tick(now);
    election.Replied(now, next().id, group_.etcd.Apply({}, now));
    return next();
  }

  ElectionGroup group_;
};

// --- Who is elected.

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

// --- The lease.

TEST_F(ElectionTest, TheLeaseCountsFromBeforeItWasAskedForAndLessAMargin) {
  Election election(Options(1), absl::ZeroDuration());
  absl::Duration now = absl::Seconds(2);
  const auto next = [&] { return RequestOf(election.TakeWork()); };
  const EtcdRequest grant = AskForLease(election, now);  // asked for at 2.0 s
  ASSERT_EQ(grant.kind, EtcdRequest::Kind::kGrant);
  const EtcdReply granted = group_.etcd.Apply(grant, now);
  now += absl::Milliseconds(300);
  election.Replied(now, grant.id, granted);
  const EtcdRequest campaign = next();
  const EtcdReply won = group_.etcd.Apply(campaign, now);
  now += absl::Milliseconds(300);
  election.Replied(now, campaign.id, won);
  ElectionWork work = election.TakeWork();
  ASSERT_EQ(work.events.size(), 1u);
  const auto reign = std::get<Elected>(work.events[0]).reign;
  ASSERT_EQ(work.requests.size(), 1u);
  const EtcdRequest renewal = work.requests[0];  // asked for at 2.6 s
  ASSERT_EQ(renewal.kind, EtcdRequest::Kind::kKeepAlive);
  // Alone in its set it needs no lease; another member takes that away.
  ASSERT_TRUE(election.ProposeInSync({1, 2}).ok());
  election.Tick(now);
  EXPECT_TRUE(reign->MayAcknowledge(absl::Milliseconds(3999)));
  EXPECT_FALSE(reign->MayAcknowledge(absl::Seconds(4))) << "2 s + 3 s - 1 s";
  now += absl::Milliseconds(500);
  const EtcdReply renewed = group_.etcd.Apply(renewal, now);
  now += absl::Milliseconds(500);
  election.Replied(now, renewal.id, renewed);
  EXPECT_TRUE(reign->MayAcknowledge(absl::Milliseconds(4599)));
  EXPECT_FALSE(reign->MayAcknowledge(absl::Milliseconds(4600)));
}

TEST_F(ElectionTest, AMasterThatHearsNothingStopsBeforeItsLeaseEnds) {
  group_.Form({1, 2});
  group_.at(1).sees_etcd = false;
  group_.at(1).sees_others = false;
  group_.Pass(absl::Milliseconds(2100));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  EXPECT_TRUE(group_.View().master.has_value());
  group_.Pass(absl::Seconds(2));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionTest, AMasterThatWasFrozenFindsThatItMayNot) {
  group_.Form({1, 2});
  const auto reign = group_.at(1).reign;
  group_.at(1).frozen = true;
  group_.Pass(absl::Seconds(6));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  group_.at(1).frozen = false;
  EXPECT_FALSE(group_.MayAcknowledge(1)) << "before it has asked anybody";
  group_.Pass(absl::Seconds(1));
  ASSERT_EQ(group_.at(1).deposed.size(), 1u);
  EXPECT_EQ(group_.at(1).deposed[0].epoch, 1u);
  EXPECT_THAT(group_.at(1).deposed[0].why, HasSubstr("member 2"));
  EXPECT_EQ(group_.at(1).master->id, 2);
  // Its next reign is another one.
  ASSERT_TRUE(group_.election(2).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Seconds(1));
  group_.Kill(2);
  group_.Pass(absl::Seconds(6));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1));
  EXPECT_EQ(group_.at(1).reign->epoch(), 3u);
  EXPECT_FALSE(reign->MayAcknowledge(group_.now()));
}

// --- Promises.

TEST_F(ElectionTest, WithoutEtcdAMasterGoesOnWhileAllOfTheSetPromise) {
  group_.Form({1, 2, 3});
  for (const BrokerId id : {1, 2, 3}) group_.at(id).sees_etcd = false;
  for (int second = 0; second < 30; ++second) {
    group_.Pass(absl::Seconds(1));
    ASSERT_THAT(group_.Acknowledging(), ElementsAre(1)) << second;
  }
  EXPECT_FALSE(group_.View().master.has_value()) << "its lease has ended long ago";
  group_.Kill(3);
  group_.Pass(absl::Milliseconds(2000));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
}

TEST_F(ElectionTest, AMemberThatHasLostTheStreamStandsWhenItsPromiseHasEnded) {
  group_.Form({1, 2});
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(20));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1)) << "member 2 sees that there is no key";
  group_.at(2).sees_others = false;
  group_.Pass(absl::Milliseconds(1400));
  EXPECT_FALSE(group_.View().master.has_value());
  group_.Pass(absl::Milliseconds(800));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionTest, EtcdThatComesBackFindsTheSameReign) {
  group_.Form({1, 2});
  for (const BrokerId id : {1, 2}) group_.at(id).sees_etcd = false;
  group_.Pass(absl::Seconds(20));
  for (const BrokerId id : {1, 2}) group_.at(id).sees_etcd = true;
  group_.Pass(absl::Seconds(2));
  EXPECT_EQ(group_.View().master->epoch, 1u);
  EXPECT_THAT(group_.at(1).deposed, IsEmpty());
  group_.at(2).sees_others = false;
  group_.Pass(absl::Seconds(10));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1)) << "the lease alone will do";
}

TEST_F(ElectionTest, AMasterAloneInItsSetNeedsNobody) {
  group_.Form({1});
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Minutes(1));
  EXPECT_TRUE(group_.MayAcknowledge(1));
}

TEST_F(ElectionTest, WhereOutsidersMayBeElectedPromisesDoNotHelp) {
  ElectionOptions options = Options(1);
  options.allow_outside = true;
  group_.Start(1, options);
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.MayAcknowledge(1));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(3));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

TEST_F(ElectionTest, AnOlderEpochIsRefused) {
  Election election(Options(2), group_.now());
  EXPECT_FALSE(election.PromiseAsked(group_.now(), {7, 1}).has_value()) << "it has not looked yet";
  election.Tick(group_.now());
  const EtcdRequest look = RequestOf(election.TakeWork());
  election.Replied(group_.now(), look.id, group_.etcd.Apply(look, group_.now()));
  ASSERT_TRUE(election.PromiseAsked(group_.now(), {7, 1}).has_value());
  EXPECT_FALSE(election.PromiseAsked(group_.now(), {6, 2}).has_value());
  EXPECT_FALSE(election.AcceptsFrames(6));
  EXPECT_TRUE(election.AcceptsFrames(7));
  EXPECT_TRUE(election.AcceptsFrames(8));
  election.SetStanding({.may_stand = true, .last_epoch = 9});
  EXPECT_FALSE(election.AcceptsFrames(8)) << "its log is of a later reign";
  EXPECT_FALSE(election.PromiseAsked(group_.now(), {8, 3}).has_value());
  group_.Form({1});
  group_.Start(2);
  group_.Settle();
  EXPECT_TRUE(group_.election(2).AcceptsFrames(1));
  EXPECT_FALSE(group_.election(2).AcceptsFrames(0)) << "it has seen epoch 1 in etcd";
  EXPECT_FALSE(group_.election(1).PromiseAsked(group_.now(), {9, 1}).has_value()) << "a master";
}

TEST_F(ElectionTest, ATransactionInDoubtIsSettledByItsLease) {
  Election election(Options(1), absl::ZeroDuration());
  absl::Duration now = absl::Seconds(2);
  const auto next = [&] { return RequestOf(election.TakeWork()); };
  const EtcdRequest grant = AskForLease(election, now);
  election.Replied(now, grant.id, group_.etcd.Apply(grant, now));
  const EtcdRequest campaign = next();
  EXPECT_FALSE(election.PromiseAsked(now, {5, 1}).has_value()) << "it stands";
  election.Replied(now, campaign.id, {absl::DeadlineExceededError("no answer in time")});
  const EtcdRequest revoke = next();
  ASSERT_EQ(revoke.kind, EtcdRequest::Kind::kRevoke);
  EXPECT_FALSE(election.PromiseAsked(now, {5, 1}).has_value());
  election.Replied(now, revoke.id, {absl::UnavailableError("etcd is not there")});
  election.Tick(now);
  EXPECT_THAT(election.TakeWork().requests, IsEmpty()) << "not at once again";
  EXPECT_FALSE(election.PromiseAsked(now, {5, 1}).has_value());
  now += absl::Milliseconds(200);
  election.Tick(now);
  const EtcdRequest again = next();
  election.Replied(now, again.id, group_.etcd.Apply(again, now));
  EXPECT_TRUE(election.PromiseAsked(now, {5, 1}).has_value());
  const EtcdReply late = group_.etcd.Apply(campaign, now);
  EXPECT_TRUE(absl::IsNotFound(late.status)) << "it cannot be carried out any more";
}

TEST_F(ElectionTest, AnElectionThatIsHeardOfWhenTheLeaseHasEndedBeginsNoReign) {
  Election election(Options(1), absl::ZeroDuration());
  absl::Duration now = absl::Seconds(2);
  const auto next = [&] {
    ElectionWork work = election.TakeWork();
    EXPECT_THAT(work.events, IsEmpty());
    return RequestOf(work);
  };
  const EtcdRequest grant = AskForLease(election, now);
  election.Replied(now, grant.id, group_.etcd.Apply(grant, now));
  const EtcdRequest campaign = next();
  const EtcdReply won = group_.etcd.Apply(campaign, now);
  ASSERT_TRUE(won.commit.succeeded);
  now += absl::Seconds(2);
  election.Replied(now, campaign.id, won);
  EXPECT_EQ(next().kind, EtcdRequest::Kind::kRevoke);
  EXPECT_FALSE(election.State(now).is_master);
}

// --- The in-sync set.

TEST_F(ElectionTest, TheSetIsChangedByItsMasterAlone) {
  group_.Form({1, 2});
  EXPECT_THAT(group_.at(1).recorded.back(), ElementsAre(1, 2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{1, {1, 2}}));
  EXPECT_TRUE(absl::IsFailedPrecondition(group_.election(2).ProposeInSync({1, 2, 3})));
  EXPECT_TRUE(absl::IsInvalidArgument(group_.election(1).ProposeInSync({2})));
  // One that was master, and does not know that it is not.
  group_.at(1).sees_etcd = false;
  group_.at(1).sees_others = false;
  group_.Pass(absl::Seconds(6));
  ASSERT_THAT(group_.Acknowledging(), ElementsAre(2));
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.at(1).sees_etcd = true;
  group_.Pass(absl::Seconds(2));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2}})) << "and not of member 1 alone";
  EXPECT_THAT(group_.at(1).recorded.back(), ElementsAre(1, 2));
  EXPECT_EQ(group_.at(1).deposed.size(), 1u);
}

TEST_F(ElectionTest, AChangeInDoubtIsMadeAgain) {
  group_.Form({1, 2});
  group_.at(1).loses_answers = true;
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.Settle();
  EXPECT_EQ(group_.View().group, (ElectionRecord{1, {1}}));
  EXPECT_THAT(group_.at(1).recorded.back(), ElementsAre(1, 2)) << "the master does not know";
  const EtcdRevision first = group_.View().group_modified;
  group_.at(1).loses_answers = false;
  group_.Pass(absl::Seconds(1));
  EXPECT_THAT(group_.at(1).recorded.back(), ElementsAre(1));
  EXPECT_GT(group_.View().group_modified, first);
}

TEST_F(ElectionTest, WhoeverMayBeInTheSetMustPromise) {
  group_.Form({1, 2});
  group_.Start(3);
  group_.at(3).sees_others = false;
  group_.at(1).loses_answers = true;
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2, 3}).ok());
  group_.Settle();
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(3));
  EXPECT_FALSE(group_.MayAcknowledge(1)) << "member 3 may have been elected";
}

TEST_F(ElectionTest, WhoeverIsToLeaveMustPromiseUntilItHasLeft) {
  group_.Form({1, 2});
  group_.at(1).sees_etcd = false;
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.Pass(absl::Seconds(5));
  EXPECT_TRUE(group_.MayAcknowledge(1));
  group_.at(2).sees_others = false;
  group_.Pass(absl::Seconds(2));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

// --- Handing over.

TEST_F(ElectionTest, TheHeirIsElectedAtOnce) {
  group_.Form({1, 2, 3});
  group_.Pass(absl::Seconds(10));
  ASSERT_TRUE(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/false).ok());
  EXPECT_THAT(group_.Acknowledging(), IsEmpty()) << "from the first moment on";
  group_.Pass(absl::Milliseconds(1100));  // member 3 has asked etcd once
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(3));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {1, 2, 3}}));
  EXPECT_EQ(group_.at(1).deposed.size(), 1u);
  EXPECT_EQ(group_.at(1).master->id, 3);
}

TEST_F(ElectionTest, AMasterThatEndsLeavesTheSetAsItHandsOver) {
  group_.Form({1, 2, 3});
  ASSERT_TRUE(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/true).ok());
  group_.Pass(absl::Milliseconds(1100));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(3));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2, 3}}));
}

TEST_F(ElectionTest, AnHeirThatDoesNotComeIsNotWaitedForForEver) {
  group_.Form({1, 2, 3});
  group_.Kill(3);
  ASSERT_TRUE(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/false).ok());
  group_.Pass(absl::Milliseconds(2900));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.Pass(absl::Seconds(3));
  EXPECT_EQ(group_.Acknowledging().size(), 1u);
}

TEST_F(ElectionTest, HandingOverIsRefusedWhenItWouldNotWork) {
  group_.Form({1, 2});
  group_.Start(3);
  EXPECT_TRUE(
      absl::IsFailedPrecondition(group_.election(2).HandOver(group_.now(), 1, /*leaves=*/false)));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(group_.election(1).HandOver(group_.now(), 1, /*leaves=*/false)));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/false)));
  for (const BrokerId id : {1, 2}) group_.at(id).sees_etcd = false;
  group_.Pass(absl::Seconds(20));
  for (const BrokerId id : {1, 2}) group_.at(id).sees_etcd = true;
  group_.Pass(absl::Seconds(2));
  EXPECT_TRUE(group_.election(1).HandOver(group_.now(), 2, /*leaves=*/false).ok());
}

TEST_F(ElectionTest, NothingIsHandedOverWhileEtcdIsNotReached) {
  group_.Form({1, 2, 3});
  group_.Pass(absl::Seconds(10));
  ASSERT_EQ(group_.election(1).CheckHandOver(group_.now(), 3), absl::OkStatus());
  for (const BrokerId id : {1, 2, 3}) group_.at(id).sees_etcd = false;
  group_.Pass(absl::Milliseconds(1600));
  const absl::Status refused = group_.election(1).HandOver(group_.now(), 3, /*leaves=*/false);
  EXPECT_TRUE(absl::IsUnavailable(refused)) << "while its lease still goes on: " << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("etcd is not reached"));
  EXPECT_EQ(group_.election(1).CheckHandOver(group_.now(), 3), refused);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1)) << "nothing was given up";
}

TEST_F(ElectionTest, AMasterThatStepsDownStandsAgainWhenItMay) {
  group_.Form({1, 2});
  group_.election(1).StepDown("its disk has failed");
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  EXPECT_EQ(group_.at(1).deposed.back().why, "its disk has failed");
  ASSERT_TRUE(group_.election(2).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Seconds(1));
  group_.Kill(2);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.election(1).SetStanding({.may_stand = true, .last_epoch = 2});
  group_.Pass(absl::Seconds(2));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(1));
}

TEST_F(ElectionTest, AMasterThatStopsMakesWayAtOnce) {
  group_.Form({1, 2});
  group_.election(1).Resign();
  EXPECT_FALSE(group_.MayAcknowledge(1));
  group_.Settle();
  EXPECT_FALSE(group_.View().master.has_value());
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  group_.Kill(2);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty()) << "member 1 stands no more";
}

// --- Which store a number means.

Standing WithStore(const StoreId& store) { return {.last_epoch = 1, .store = store}; }

// Members 1 and 2 are in the set, with the stores "one" and "two".
void FormWithStores(ElectionGroup& group) {
  for (const BrokerId id : {1, 2}) {
    group.Start(id).election->SetStanding(WithStore(id == 1 ? "one" : "two"));
  }
  group.Pass(absl::Seconds(3));
  ASSERT_TRUE(group.election(1).ProposeInSync({1, 2}, {{2, "two"}, {3, "three"}}).ok());
  group.Pass(absl::Seconds(1));
  ASSERT_EQ(group.View().group->stores, (StoreIds{{1, "one"}, {2, "two"}}));
}

TEST_F(ElectionTest, AMemberWithAnotherStoreThanItsNumberMeansDoesNotStand) {
  FormWithStores(group_);
  group_.Kill(2);
  group_.Start(2).election->SetStanding(WithStore("another"));
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.election(2).State(group_.now()).trouble,
              HasSubstr("broker.id 2 of this group belongs to another store"));
  group_.Kill(1);
  group_.Pass(absl::Minutes(1));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.Kill(2);
  group_.Start(2).election->SetStanding(WithStore("two"));
  group_.Pass(absl::Seconds(5));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
  EXPECT_EQ(group_.View().group->stores, (StoreIds{{1, "one"}, {2, "two"}}));
}

TEST_F(ElectionTest, ASecondProcessWithTheMastersNumberSaysSo) {
  FormWithStores(group_);
  ElectionOptions options = Options(1);
  options.address = "host-9:8081";
  group_.Start(9, options).election->SetStanding(WithStore("another"));
  group_.Pass(absl::Seconds(3));
  EXPECT_THAT(group_.election(9).State(group_.now()).trouble,
              HasSubstr("belongs to another store, of the master at host-1:8081"));
  group_.Kill(1);
  group_.Pass(absl::Seconds(10));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionTest, ANumberWhoseStoreIsNotRecordedIsAnybodysAndItsPromiseNobodys) {
  for (const BrokerId id : {1, 2}) group_.Start(id);
  group_.election(1).SetStanding(WithStore("one"));
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}).ok());
  group_.Pass(absl::Seconds(1));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(4));
  EXPECT_FALSE(group_.MayAcknowledge(1)) << "member 2 has promised, and another may be called so";
  group_.Kill(1);
  group_.election(2).SetStanding(WithStore("two"));
  group_.Pass(absl::Seconds(8));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionTest, APromiseCountsUntilItsNumberMeansAnotherStore) {
  FormWithStores(group_);
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(6));
  EXPECT_TRUE(group_.MayAcknowledge(1));
  group_.at(1).sees_etcd = true;
  group_.Pass(absl::Seconds(3));
  group_.Kill(2);
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.Settle();
  ASSERT_TRUE(group_.election(1).ProposeInSync({1, 2}, {{2, "another"}}).ok());
  group_.Settle();
  ASSERT_EQ(group_.View().group->stores, (StoreIds{{1, "one"}, {2, "another"}}));
  group_.etcd.Expire(group_.now() + absl::Seconds(3));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(2) + absl::Milliseconds(100));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

}  // namespace
}  // namespace mansio::broker::testing
