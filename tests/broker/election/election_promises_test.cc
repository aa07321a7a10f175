// Promises, which let a master go on without etcd, and what is refused for them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ElectionPromisesTest : public ElectionTest {};

TEST_F(ElectionPromisesTest, WithoutEtcdAMasterGoesOnWhileAllOfTheSetPromise) {
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

TEST_F(ElectionPromisesTest, AMemberThatHasLostTheStreamStandsWhenItsPromiseHasEnded) {
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

TEST_F(ElectionPromisesTest, EtcdThatComesBackFindsTheSameReign) {
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

TEST_F(ElectionPromisesTest, AMasterAloneInItsSetNeedsNobody) {
  group_.Form({1});
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Minutes(1));
  EXPECT_TRUE(group_.MayAcknowledge(1));
}

TEST_F(ElectionPromisesTest, WhereOutsidersMayBeElectedPromisesDoNotHelp) {
  ElectionOptions options = Options(1);
  options.allow_outside = true;
  group_.Start(1, options);
  group_.Pass(absl::Seconds(3));
  ASSERT_TRUE(group_.MayAcknowledge(1));
  group_.at(1).sees_etcd = false;
  group_.Pass(absl::Seconds(3));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

TEST_F(ElectionPromisesTest, AnOlderEpochIsRefused) {
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

TEST_F(ElectionPromisesTest, ATransactionInDoubtIsSettledByItsLease) {
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

}  // namespace
}  // namespace mansio::broker::testing
