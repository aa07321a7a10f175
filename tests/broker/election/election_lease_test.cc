// A master's lease: until when it may acknowledge.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ElectionLeaseTest : public ElectionTest {};

TEST_F(ElectionLeaseTest, TheLeaseCountsFromBeforeItWasAskedForAndLessAMargin) {
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

TEST_F(ElectionLeaseTest, AMasterThatHearsNothingStopsBeforeItsLeaseEnds) {
  group_.Form({1, 2});
  group_.at(1).sees_etcd = false;
  group_.at(1).sees_others = false;
  group_.Pass(absl::Milliseconds(2100));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  EXPECT_TRUE(group_.View().master.has_value());
  group_.Pass(absl::Seconds(2));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(2));
}

TEST_F(ElectionLeaseTest, AMasterThatWasFrozenFindsThatItMayNot) {
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

TEST_F(ElectionLeaseTest, AnElectionThatIsHeardOfWhenTheLeaseHasEndedBeginsNoReign) {
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

}  // namespace
}  // namespace mansio::broker::testing
