// How a master gives its group to another member.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ElectionHandOverTest : public ElectionTest {};

TEST_F(ElectionHandOverTest, TheHeirIsElectedAtOnce) {
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

TEST_F(ElectionHandOverTest, AMasterThatEndsLeavesTheSetAsItHandsOver) {
  group_.Form({1, 2, 3});
  ASSERT_TRUE(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/true).ok());
  group_.Pass(absl::Milliseconds(1100));
  EXPECT_THAT(group_.Acknowledging(), ElementsAre(3));
  EXPECT_EQ(group_.View().group, (ElectionRecord{2, {2, 3}}));
}

TEST_F(ElectionHandOverTest, AnHeirThatDoesNotComeIsNotWaitedForForEver) {
  group_.Form({1, 2, 3});
  group_.Kill(3);
  ASSERT_TRUE(group_.election(1).HandOver(group_.now(), 3, /*leaves=*/false).ok());
  group_.Pass(absl::Milliseconds(2900));
  EXPECT_THAT(group_.Acknowledging(), IsEmpty());
  group_.Pass(absl::Seconds(3));
  EXPECT_EQ(group_.Acknowledging().size(), 1u);
}

TEST_F(ElectionHandOverTest, HandingOverIsRefusedWhenItWouldNotWork) {
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

TEST_F(ElectionHandOverTest, NothingIsHandedOverWhileEtcdIsNotReached) {
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

TEST_F(ElectionHandOverTest, AMasterThatStepsDownStandsAgainWhenItMay) {
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

TEST_F(ElectionHandOverTest, AMasterThatStopsMakesWayAtOnce) {
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

}  // namespace
}  // namespace mansio::broker::testing
