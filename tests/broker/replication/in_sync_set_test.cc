#include "broker/replication/in_sync_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/replication/records.h"

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;

TEST(InSyncSetTest, WhatAllMembersHoldIsCommitted) {
  InSyncSet set(0, {0, 1, 2}, 1, /*synced=*/false);
  set.SetHeld(0, {900, 100});
  set.SetHeld(1, {800, 100});
  EXPECT_EQ(set.Committed(), 0u) << "nothing is known of the third";
  set.SetHeld(2, {700, 600});
  EXPECT_EQ(set.Committed(), 700u);
  set.SetHeld(3, {10, 10});  // no member
  EXPECT_EQ(set.Committed(), 700u);
  set.Forget(2);
  EXPECT_EQ(set.Committed(), 0u);
}

TEST(InSyncSetTest, WhatAllMembersHaveSyncedIsCommittedWithReplicaSync) {
  InSyncSet set(0, {0, 1}, 1, /*synced=*/true);
  set.SetHeld(0, {900, 500});
  set.SetHeld(1, {800, 600});
  EXPECT_EQ(set.Committed(), 500u);
}

TEST(InSyncSetTest, WhereTheMasterIsElectedAChangeCountsWhenItIsRecorded) {
  InSyncSet set(1, {1, 2}, 1, /*synced=*/false);
  set.SetHeld(1, {900, 900});
  set.SetHeld(2, {500, 500});
  set.SetHeld(3, {300, 300});
  set.Propose({1, 3});
  EXPECT_TRUE(set.on_its_way());
  EXPECT_FALSE(set.Settle());
  EXPECT_EQ(set.Committed(), 300u) << "old and new members are waited for";
  set.Recorded({1, 2});  // etcd was told again what it had
  EXPECT_EQ(set.Committed(), 300u);
  set.Recorded({1, 3});
  EXPECT_FALSE(set.on_its_way());
  EXPECT_THAT(set.members(), ElementsAre(1, 3));
  set.SetHeld(3, {800, 300});
  EXPECT_EQ(set.Committed(), 800u);
}

TEST(InSyncSetTest, WhoIsAwaitedIsWaitedForUntilItHasGone) {
  InSyncSet set(1, {1}, 1, /*synced=*/false);
  set.SetHeld(1, {900, 900});
  set.SetHeld(2, {500, 500});
  EXPECT_EQ(set.Committed(), 900u);
  set.Await({2});
  EXPECT_EQ(set.Committed(), 500u);
  EXPECT_THAT(set.members(), ElementsAre(1)) << "it does not count";
  set.Forget(2);
  EXPECT_EQ(set.Committed(), 900u);
  set.Await({2});
  EXPECT_EQ(set.Committed(), 0u) << "nothing is known of it";
  set.Await({});
  EXPECT_EQ(set.Committed(), 900u);
}

TEST(InSyncSetTest, TooSmallASetCommitsNothing) {
  InSyncSet set(0, {}, 2, /*synced=*/false);
  set.SetHeld(0, {900, 900});
  EXPECT_EQ(set.Committed(), 0u);
}

TEST(InSyncSetTest, AMemberIsWaitedForUntilTheLogSaysWithoutIt) {
  InSyncSet set(0, {0, 1, 2}, 1, /*synced=*/false);
  set.SetHeld(0, {900, 900});
  set.SetHeld(1, {900, 0});
  set.SetHeld(2, {300, 0});
  set.Propose({0, 1});
  EXPECT_TRUE(set.on_its_way());
  EXPECT_FALSE(set.Settle());
  set.Placed(900);
  EXPECT_FALSE(set.on_its_way());
  set.SetHeld(0, {1000, 900});
  set.SetHeld(1, {1000, 0});
  EXPECT_FALSE(set.Settle()) << "the record is not durable at the master";
  EXPECT_EQ(set.Committed(), 300u);
  set.SetHeld(0, {1000, 1000});
  EXPECT_TRUE(set.Settle());
  EXPECT_THAT(set.members(), ElementsAre(0, 1));
  EXPECT_EQ(set.Committed(), 1000u);
}

TEST(InSyncSetTest, WhoeverIsToJoinIsWaitedForFromTheProposalOn) {
  InSyncSet set(0, {0}, 1, /*synced=*/false);
  set.SetHeld(0, {900, 900});
  set.SetHeld(1, {600, 0});
  set.Propose({0, 1});
  EXPECT_EQ(set.Committed(), 600u);
  set.Withdraw();
  EXPECT_EQ(set.Committed(), 900u);
}

TEST(InSyncSetTest, AChangeThatIsOvertakenIsWaitedForUntilTheOtherIsTrue) {
  InSyncSet set(0, {0, 1}, 1, /*synced=*/false);
  set.SetHeld(0, {900, 900});
  set.SetHeld(1, {900, 0});
  set.SetHeld(2, {500, 0});
  set.Propose({0, 1, 2});
  set.Placed(900);
  set.Forget(2);  // it has gone before it joined
  set.Propose({0, 1});
  set.Placed(1000);
  set.SetHeld(0, {1100, 1100});
  EXPECT_EQ(set.Committed(), 0u) << "the log may end with the record that names the third";
  set.SetHeld(1, {1100, 0});
  EXPECT_TRUE(set.Settle());
  EXPECT_THAT(set.members(), ElementsAre(0, 1));
  EXPECT_THAT(set.coming(), ElementsAre(0, 1));
  EXPECT_EQ(set.Committed(), 1100u);
}

TEST(InSyncSetTest, ItsRecordIsCheckedWhenItIsRead) {
  const std::string body = EncodeInSyncSet({0, 3, 200});
  EXPECT_THAT(*DecodeInSyncSet(body), ElementsAre(0, 3, 200));
  EXPECT_FALSE(DecodeInSyncSet(body + "x").ok());
  EXPECT_FALSE(DecodeInSyncSet(body.substr(0, body.size() - 1)).ok());
  EXPECT_FALSE(DecodeInSyncSet("").ok());
}

}  // namespace
}  // namespace mansio::broker
