#include "broker/consumption/queue_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr store::LogPosition kFirst{1, 100};
constexpr store::LogPosition kSecond{1, 200};

Lease LeaseOf(store::LogPosition id, int64_t deadline = 1000) {
  return {id, deadline, 7, 1, false, 300, 300};
}

TEST(QueueProgressTest, AClaimedLeaseHasNoHandleUntilItsRecordHasAPlace) {
  QueueProgress p(5);
  EXPECT_EQ(p.ClaimLease(5, LeaseOf({})), 1u);
  EXPECT_EQ(p.next(), 6u);
  EXPECT_EQ(p.cursor(), 5u);
  EXPECT_EQ(p.Find(5, kFirst), nullptr);
  p.LeaseAppended(5, kFirst);
  EXPECT_NE(p.Find(5, kFirst), nullptr);
  EXPECT_EQ(p.Find(5, kSecond), nullptr);
}

TEST(QueueProgressTest, ClaimsAreNotPartOfTheFold) {
  QueueProgress p(5);
  const std::string before = p.Encode();
  p.ClaimLease(5, LeaseOf({}));
  p.SkipTo(9);
  EXPECT_EQ(p.Encode(), before);
  p.DropClaims();
  EXPECT_EQ(p.next(), 5u);
  EXPECT_EQ(p.outstanding(), 0u);
}

TEST(QueueProgressTest, UnclaimAndRewindUndoATake) {
  QueueProgress p(0);
  p.ApplyLease(0, LeaseOf(kFirst));
  p.ApplyCursor(1);
  p.ApplyEnd(0, true);
  p.ClaimLease(0, LeaseOf({}));
  p.ClaimLease(1, LeaseOf({}));
  p.Unclaim(0);
  p.Unclaim(1);
  p.RewindTo(1);
  EXPECT_THAT(p.ready(), ElementsAre(0));
  EXPECT_EQ(p.next(), 1u);
  EXPECT_EQ(p.outstanding(), 1u);
  EXPECT_EQ(p.ClaimLease(0, LeaseOf({})), 2u);
}

TEST(QueueProgressTest, AnEndThatIsClaimedHidesTheLease) {
  QueueProgress p(0);
  p.ApplyLease(0, LeaseOf(kFirst));
  p.ClaimEnd(0);
  EXPECT_EQ(p.Find(0, kFirst), nullptr);
  EXPECT_THAT(p.EndedBy(1000, 9), IsEmpty());
  p.UnclaimEnd(0);
  EXPECT_NE(p.Find(0, kFirst), nullptr);
}

TEST(QueueProgressTest, LeasesEndByTimeOrWithTheirOwner) {
  QueueProgress p(0);
  for (store::QueueOffset offset = 0; offset < 4; ++offset) {
    p.ApplyLease(offset, LeaseOf(kFirst, static_cast<int64_t>(1000 + offset)));
  }
  const auto offsets = [&p](int64_t now, size_t max) {
    std::vector<store::QueueOffset> ended;
    for (const auto& e : p.EndedBy(now, max)) ended.push_back(e.offset);
    return ended;
  };
  EXPECT_THAT(offsets(999, 9), IsEmpty());
  EXPECT_THAT(offsets(1001, 9), ElementsAre(0, 1));
  EXPECT_THAT(offsets(9999, 3), ElementsAre(0, 1, 2));
  EXPECT_TRUE(p.Abandon([](const Lease& lease) { return lease.deadline_ms == 1003; }));
  EXPECT_FALSE(p.Abandon([](const Lease&) { return false; }));
  EXPECT_THAT(offsets(0, 9), ElementsAre(3));
  p.DropClaims();
  EXPECT_THAT(offsets(0, 9), IsEmpty());
}

TEST(QueueProgressTest, WhatIsOnItsWayIsAbandonedWithItsOwner) {
  QueueProgress p(0);
  p.ClaimLease(0, LeaseOf({}));
  p.LeaseAppended(0, kFirst);
  EXPECT_TRUE(p.Abandon([](const Lease& lease) { return lease.owner == 7; }));
  EXPECT_THAT(p.EndedBy(0, 9), IsEmpty()) << "its record is not applied";
  EXPECT_TRUE(p.ApplyLease(0, LeaseOf(kFirst)));
  EXPECT_EQ(p.EndedBy(0, 9).size(), 1u);
  p.RecomputeEarliestDeadline();
  EXPECT_EQ(p.earliest_deadline(), 0);

  EXPECT_FALSE(p.ApplyLease(1, LeaseOf(kFirst)));
  p.ClaimEnd(1);  // a new deadline is on its way
  EXPECT_TRUE(p.Abandon([](const Lease& lease) { return lease.owner == 7; }));
  EXPECT_TRUE(p.ApplyChange(1, kSecond, 5000));
  EXPECT_EQ(p.EndedBy(0, 9).size(), 2u);

  p.ApplyEnd(0, true);
  p.ClaimLease(0, LeaseOf({}));
  EXPECT_FALSE(p.ApplyLease(0, LeaseOf(kSecond))) << "the next owner lives";
}

TEST(QueueProgressTest, UncountedEndsDoNotRaiseTheAttempt) {
  QueueProgress p(0);
  p.ApplyLease(0, LeaseOf(kFirst));
  p.ApplyEnd(0, false);
  EXPECT_EQ(p.ClaimLease(0, LeaseOf({})), 1u);
  p.ApplyLease(0, LeaseOf(kSecond));
  p.ApplyEnd(0, true);
  EXPECT_EQ(p.ClaimLease(0, LeaseOf({})), 2u);
}

TEST(QueueProgressTest, EarliestDeadlineIsALowerBoundAndCanBeMadeExact) {
  QueueProgress p(0);
  p.ApplyLease(0, LeaseOf(kFirst, 500));
  p.ApplyLease(1, LeaseOf(kFirst, 900));
  EXPECT_EQ(p.earliest_deadline(), 500);
  p.ApplyAck(0);
  p.RecomputeEarliestDeadline();
  EXPECT_EQ(p.earliest_deadline(), 900);
  p.ApplyAck(1);
  p.RecomputeEarliestDeadline();
  EXPECT_EQ(p.earliest_deadline(), QueueProgress::kNever);
}

TEST(QueueProgressTest, EncodesAndDecodesTheFold) {
  QueueProgress p(3);
  p.ApplyLease(3, LeaseOf(kFirst));
  p.ApplyLease(4, {kSecond, 2000, 9, 1, true, 400, 400});
  p.ApplyLease(5, LeaseOf(kSecond));
  p.ApplyCursor(8);
  p.ApplyEnd(3, true);
  p.ApplyAck(5);
  auto back = QueueProgress::Decode(p.Encode());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->Encode(), p.Encode());
  EXPECT_EQ(back->next(), 8u);
  EXPECT_THAT(back->ready(), ElementsAre(3));
  ASSERT_NE(back->Find(4, kSecond), nullptr);
  EXPECT_TRUE(back->Find(4, kSecond)->auto_renew);
  EXPECT_EQ(back->applied_outstanding(), 2u);
}

TEST(QueueProgressTest, DamagedBytesAreRefused) {
  QueueProgress p(3);
  p.ApplyLease(3, LeaseOf(kFirst));
  const std::string good = p.Encode();
  const size_t cursor = QueueProgress(3).Encode().size();
  for (size_t n = cursor + 1; n + 1 < good.size(); ++n) {
    EXPECT_FALSE(QueueProgress::Decode(good.substr(0, n)).ok()) << n;
  }
}

TEST(QueueProgressTest, AnOffsetThatComesTwiceIsDamage) {
  QueueProgress p(3);
  p.ApplyLease(3, LeaseOf(kFirst));
  const std::string good = p.Encode();
  const std::string lease = good.substr(QueueProgress(3).Encode().size());
  ASSERT_TRUE(QueueProgress::Decode(good).ok());
  EXPECT_FALSE(QueueProgress::Decode(good + lease).ok());
}

}  // namespace
}  // namespace mansio::broker
