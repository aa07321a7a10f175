#include "broker/consumption/message_group_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/consumption/queue_progress.h"
#include "broker/consumption/records.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr MessageGroupHash kRed = 1;
constexpr MessageGroupHash kBlue = 2;

TEST(MessageGroupOrderTest, ATakeAddsToItsOwnBatchesOnly) {
  MessageGroupOrder order;
  EXPECT_FALSE(order.MustWait(kRed));
  order.Take(kRed, 0);
  EXPECT_FALSE(order.MustWait(kRed));
  order.Take(kRed, 1);
  order.EndTake();
  EXPECT_TRUE(order.MustWait(kRed));
  EXPECT_FALSE(order.MustWait(kBlue));
  EXPECT_THAT(order.Batch(kRed), ElementsAre(0, 1));
}

TEST(MessageGroupOrderTest, TheFirstThatWaitsIsReadyWhenTheBatchIsGone) {
  MessageGroupOrder order;
  order.Lease(kRed, 0);
  order.Lease(kBlue, 1);
  EXPECT_EQ(order.Wait(kRed, 2), 0u);
  EXPECT_EQ(order.Wait(kRed, 3), 0u);
  EXPECT_THAT(order.ready(), IsEmpty());
  EXPECT_EQ(order.Finish(kRed, 0), 2u) << "two messages can be handed out now";
  EXPECT_THAT(order.ready(), ElementsAre(2));
  EXPECT_EQ(order.waiting(), 2u);
  order.Take(kRed, 2);
  EXPECT_THAT(order.ready(), ElementsAre(3)) << "the take may go on";
  order.EndTake();
  EXPECT_THAT(order.ready(), IsEmpty());
}

TEST(MessageGroupOrderTest, ABatchThatComesBackIsReadyAsAWhole) {
  MessageGroupOrder order;
  order.Lease(kRed, 0);
  order.Lease(kRed, 1);
  EXPECT_EQ(order.Wait(kRed, 0), 0u);
  EXPECT_THAT(order.ready(), IsEmpty());
  EXPECT_EQ(order.Wait(kRed, 1), 2u);
  EXPECT_THAT(order.ready(), ElementsAre(0));
  EXPECT_TRUE(order.MustWait(kRed)) << "a new message comes behind those that wait";
  order.Finish(kRed, 0);
  order.Finish(kRed, 1);
  EXPECT_FALSE(order.MustWait(kRed));
  EXPECT_EQ(order.waiting(), 0u);
}

// A FIFO group's progress on a queue; messages by their message group.
class FifoProgressTest : public testing::Test {
 protected:
  static constexpr store::LogPosition kId{1, 100};

  void Lease(store::QueueOffset offset, MessageGroupHash group) {
    p.ApplyWait(offset, group);
    p.ApplyLease(offset, {kId, 1000, 7, 1, false, 300, 300});
    p.ApplyCursor(offset + 1);
  }
  std::vector<store::QueueOffset> EndedAt(int64_t now) {
    std::vector<store::QueueOffset> heads;
    for (const auto& ended : p.EndedBy(now, 9)) heads.push_back(ended.offset);
    return heads;
  }
  QueueProgress p{0, true};
};

TEST_F(FifoProgressTest, AnAckBehindOneThatIsMissingCountsLater) {
  for (store::QueueOffset offset = 0; offset < 3; ++offset) Lease(offset, kRed);
  EXPECT_EQ(p.ApplyAck(1), 0u);
  EXPECT_EQ(p.Find(1, kId), nullptr);
  EXPECT_EQ(p.outstanding(), 3u);
  p.ApplyAck(0);
  EXPECT_EQ(p.outstanding(), 1u);
  EXPECT_NE(p.Find(2, kId), nullptr);
}

TEST_F(FifoProgressTest, OnlyAHeadEndsItsBatchAndTakesAllOfItAlong) {
  for (store::QueueOffset offset = 0; offset < 3; ++offset) Lease(offset, kRed);
  Lease(3, kBlue);
  p.ApplyAck(1);
  p.ApplyChange(3, kId, 5000);
  EXPECT_THAT(EndedAt(1000), ElementsAre(0));
  EXPECT_THAT(p.ClaimReturn(0), ElementsAre(0, 1, 2));
  EXPECT_THAT(p.ClaimReturn(0), IsEmpty()) << "it is on its way";
  EXPECT_THAT(EndedAt(1000), IsEmpty());
  p.RecomputeEarliestDeadline();
  EXPECT_EQ(p.earliest_deadline(), 5000);
  EXPECT_EQ(p.ApplyEnd(0, true) + p.ApplyEnd(1, true) + p.ApplyEnd(2, true), 3u);
  EXPECT_THAT(p.ready(), ElementsAre(0));
  EXPECT_EQ(p.ClaimLease(0, {}), 2u);
  EXPECT_EQ(p.ClaimLease(1, {}), 2u);
}

TEST_F(FifoProgressTest, ABatchMayEndBeforeItsLeaseIsApplied) {
  p.ClaimLease(0, {}, kRed);
  p.ClaimLease(1, {}, kRed);
  p.EndTake();
  EXPECT_THAT(p.ClaimReturn(0), IsEmpty()) << "its record may come before that of the lease";
  for (const store::QueueOffset offset : {0, 1}) p.LeaseAppended(offset, kId);
  EXPECT_THAT(p.ClaimReturn(1), ElementsAre(0, 1));
  Lease(0, kRed);
  Lease(1, kRed);
  EXPECT_EQ(p.Find(0, kId), nullptr);
  EXPECT_EQ(p.ApplyEnd(0, false) + p.ApplyEnd(1, false), 2u);
  EXPECT_EQ(p.applied_outstanding(), 0u);
  EXPECT_EQ(p.ClaimLease(0, {}), 1u);
}

TEST_F(FifoProgressTest, ABatchDoesNotEndWhileAnAckIsOnItsWay) {
  Lease(0, kRed);
  Lease(1, kRed);
  p.ClaimEnd(1);
  EXPECT_THAT(EndedAt(1000), IsEmpty());
  p.RecomputeEarliestDeadline();
  EXPECT_EQ(p.earliest_deadline(), QueueProgress::kNever);
  p.ApplyAck(1);
  EXPECT_EQ(p.earliest_deadline(), 1000) << "now it may";
  EXPECT_THAT(EndedAt(1000), ElementsAre(0));
}

TEST_F(FifoProgressTest, TheMessageBehindADeadHeadIsNotTheNextToDie) {
  Lease(0, kRed);
  Lease(1, kRed);
  EXPECT_TRUE(p.EndedBy(1000, 9)[0].led);
  p.ApplyMoved(0);
  ASSERT_THAT(EndedAt(1000), ElementsAre(1));
  EXPECT_FALSE(p.EndedBy(1000, 9)[0].led);
  p.ApplyEnd(1, true);
  Lease(1, kRed);
  EXPECT_TRUE(p.EndedBy(1000, 9)[0].led);
}

TEST_F(FifoProgressTest, LookingAheadIsBounded) {
  Lease(0, kRed);
  constexpr store::QueueOffset kAhead = QueueProgress::kLookAhead;
  EXPECT_EQ(p.LookEnd(kAhead - 1), kAhead - 1);
  EXPECT_EQ(p.LookEnd(3 * kAhead), kAhead);
  while (p.next() < kAhead) p.ClaimWait(kRed);
  EXPECT_EQ(p.waiting(), kAhead - 1);
  EXPECT_EQ(p.ApplyAck(0), kAhead - 1 + 1) << "all that wait, and one more can be looked at";
  EXPECT_EQ(p.LookEnd(3 * kAhead), kAhead + 1);
}

TEST_F(FifoProgressTest, WhatNobodyWasHandedIsNotLive) {
  Lease(0, kRed);
  Lease(1, kRed);
  p.ApplyAck(1);
  p.ApplyWait(2, kRed);
  p.ApplyCursor(3);
  EXPECT_THAT(p.Outstanding(0, 9, 9), ElementsAre(0, 1)) << "1 may come again";
  p.ApplyEnd(0, true);
  p.ApplyEnd(1, true);
  EXPECT_THAT(p.Outstanding(0, 9, 9), ElementsAre(0, 1));
}

TEST_F(FifoProgressTest, UndoForgetsWhatATakeLookedAt) {
  Lease(0, kRed);
  p.ApplyWait(1, kRed);
  p.ApplyCursor(2);
  p.ApplyAck(0);
  const std::string before = p.Encode();
  p.ClaimLease(1, {});
  p.ClaimLease(2, {}, kRed);
  p.ClaimLease(3, {}, kBlue);
  p.EndTake();
  ASSERT_TRUE(p.MustWait(kBlue));
  p.ClaimWait(kBlue);
  EXPECT_EQ(p.Encode(), before);
  for (const store::QueueOffset offset : {1, 2, 3}) p.Unclaim(offset);
  p.RewindTo(2);
  EXPECT_THAT(p.ready(), ElementsAre(1));
  EXPECT_EQ(p.outstanding(), 1u);
  EXPECT_FALSE(p.MustWait(kBlue));
  EXPECT_EQ(p.ClaimLease(1, {}), 1u);
}

TEST_F(FifoProgressTest, WhatIsLeasedIsWhatAnAttemptIdHolds) {
  p.ApplyWait(0, kRed);
  p.ApplyWait(1, kRed);
  for (store::QueueOffset offset : {0, 1}) {
    p.ApplyLease(offset, {kId, 1000, 7, 1, false, 300, 300, 55});
  }
  p.ApplyAck(1);
  EXPECT_THAT(p.HeldBy(7, 0, 9), IsEmpty());
  EXPECT_THAT(p.HeldBy(8, 55, 9), IsEmpty());
  ASSERT_EQ(p.HeldBy(7, 55, 9).size(), 1u);
  EXPECT_EQ(p.HeldBy(7, 55, 9)[0].offset, 0u);
}

TEST_F(FifoProgressTest, IsTheSameBehindACheckpoint) {
  for (store::QueueOffset offset = 0; offset < 3; ++offset) Lease(offset, kRed);
  p.ApplyAck(1);
  p.ApplyWait(3, kRed);
  p.ApplyWait(4, kBlue);
  p.ApplyCursor(5);
  const std::string good = p.Encode();
  auto back = QueueProgress::Decode(good);
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->Encode(), good);
  EXPECT_TRUE(back->fifo());
  EXPECT_EQ(back->applied_outstanding(), 3u);
  EXPECT_EQ(back->waiting(), 2u);
  EXPECT_THAT(back->ready(), ElementsAre(4));
  back->ApplyAck(0);
  EXPECT_EQ(back->outstanding(), 3u) << "the ack of 1 counts, 2 is leased";
  for (size_t n = 0; n < good.size(); ++n) {
    const auto cut = QueueProgress::Decode(good.substr(0, n));
    EXPECT_TRUE(!cut.ok() || cut->Encode() != good) << n;
  }
}

TEST(FifoRecordsTest, ALeaseRecordComesBack) {
  LeaseRecord record{1, 2, true, 3, 4, {{6, 14, {9, 11}, {{9, kRed}, {11, kBlue}, {12, kRed}}}}, 5};
  const auto back = LeaseRecord::Decode(record.Encode());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->Encode(), record.Encode());
  EXPECT_EQ(back->attempt_id, 5u);
  EXPECT_EQ(back->queues[0].cursor, 14u);
  ASSERT_EQ(back->queues[0].passed.size(), 3u);
  EXPECT_EQ(back->queues[0].passed[2].offset, 12u);
  EXPECT_EQ(back->queues[0].passed[2].group, kRed);
}

}  // namespace
}  // namespace mansio::broker
