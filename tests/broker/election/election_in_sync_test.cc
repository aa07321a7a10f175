// The in-sync set that is recorded.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/election/election.h"
#include "tests/broker/election/election_fixture.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;

class ElectionInSyncTest : public ElectionTest {};

TEST_F(ElectionInSyncTest, TheSetIsChangedByItsMasterAlone) {
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

TEST_F(ElectionInSyncTest, AChangeInDoubtIsMadeAgain) {
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

TEST_F(ElectionInSyncTest, WhoeverMayBeInTheSetMustPromise) {
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

TEST_F(ElectionInSyncTest, WhoeverIsToLeaveMustPromiseUntilItHasLeft) {
  group_.Form({1, 2});
  group_.at(1).sees_etcd = false;
  ASSERT_TRUE(group_.election(1).ProposeInSync({1}).ok());
  group_.Pass(absl::Seconds(5));
  EXPECT_TRUE(group_.MayAcknowledge(1));
  group_.at(2).sees_others = false;
  group_.Pass(absl::Seconds(2));
  EXPECT_FALSE(group_.MayAcknowledge(1));
}

}  // namespace
}  // namespace mansio::broker::testing
