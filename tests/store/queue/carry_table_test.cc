#include "store/queue/carry_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace mansio::store {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr QueueKey kQueue{5, 2};
constexpr QueueKey kOther{6, 0};

CarryPlace Move(QueueOffset offset, LogOffset from, LogOffset to, QueueKey queue = kQueue) {
  return {queue, offset, from, {to, 100, 7}};
}

class CarryTableTest : public ::testing::Test {
 protected:
  LogOffset Place(QueueOffset offset, QueueKey queue = kQueue) {
    const auto run = table_.Run(queue, offset, offset + 1, 1);
    return run.empty() ? 0 : run.front().log_offset;
  }
  CarryTable table_;
};

TEST_F(CarryTableTest, ACarryThatComesTwiceOrLateDoesNothing) {
  table_.Carry(Move(3, 10, 1000));
  table_.Carry(Move(3, 10, 2000));
  EXPECT_EQ(Place(3), 1000u);
  table_.Carry(Move(3, 1000, 3000));
  EXPECT_EQ(Place(3), 3000u);
  EXPECT_EQ(table_.bytes(), 100u);
}

TEST_F(CarryTableTest, WhatNobodyCarriedOnGoesWithTheLog) {
  table_.Carry(Move(3, 10, 1000));
  table_.Carry(Move(4, 20, 1100));
  table_.Carry(Move(3, 1000, 2000));
  ASSERT_THAT(table_.Below(1500), SizeIs(1));
  EXPECT_EQ(table_.Below(1500)[0].from, 4u);
  EXPECT_EQ(table_.Below(1500)[0].to, 5u);
  table_.TrimBelow(1500);
  EXPECT_EQ(Place(3), 2000u);
  EXPECT_EQ(Place(4), 0u);
  EXPECT_EQ(table_.bytes(), 100u);
}

TEST_F(CarryTableTest, RunsEndAtTheFirstGap) {
  for (const QueueOffset offset : {3, 4, 6}) table_.Carry(Move(offset, 10, 1000 + offset));
  EXPECT_THAT(table_.Run(kQueue, 3, 100, 100), SizeIs(2));
  EXPECT_THAT(table_.Run(kQueue, 3, 4, 100), SizeIs(1));
  EXPECT_THAT(table_.Run(kQueue, 5, 100, 100), IsEmpty());
  EXPECT_THAT(table_.List(kQueue, 4, 100, 100), SizeIs(2));
  EXPECT_THAT(table_.List(kQueue, 0, 100, 1), SizeIs(1));
}

TEST_F(CarryTableTest, AForgottenMessageAndADroppedTopicLeaveNothing) {
  table_.Carry(Move(3, 10, 1000));
  table_.Carry(Move(4, 10, 1100));
  table_.Carry(Move(0, 10, 1200, kOther));
  table_.Forget(kQueue, 3);
  table_.Forget(kQueue, 99);
  EXPECT_EQ(Place(3), 0u);
  table_.DropTopic(kQueue.topic);
  EXPECT_EQ(Place(4), 0u);
  EXPECT_EQ(Place(0, kOther), 1200u);
  EXPECT_EQ(table_.bytes(), 100u);
}

TEST_F(CarryTableTest, ComesBackFromWhatWasCaptured) {
  // Against the order of positions, over two blocks.
  table_.Carry(Move(300, 10, 1000));
  table_.Carry(Move(3, 20, 1100));
  table_.Carry(Move(0, 30, 1200, kOther));
  KeyValueBatch batch;
  table_.CaptureDirty(batch);
  std::map<std::string, std::string> pairs;
  batch.ForEach([&](const KeyValueBatch::Change& change) {
    pairs[std::string(change.key)] = std::string(change.value);
  });
  EXPECT_THAT(pairs, SizeIs(3));
  CarryTable back;
  for (const auto& [key, value] : pairs) ASSERT_TRUE(back.Restore(key, value, false).ok());
  EXPECT_EQ(back.bytes(), 300u);
  KeyValueBatch clean;
  back.CaptureDirty(clean);
  EXPECT_TRUE(clean.empty());
  back.TrimBelow(1050);
  EXPECT_THAT(back.List(kQueue, 0, 1000, 10), SizeIs(1));
  KeyValueBatch changed;
  back.CaptureDirty(changed);
  changed.ForEach([&](const KeyValueBatch::Change& change) {
    EXPECT_EQ(change.kind, KeyValueBatch::Kind::kDelete);
    EXPECT_EQ(change.key, CarriedKey(kQueue, 256));
  });
  EXPECT_FALSE(changed.empty());
}

TEST_F(CarryTableTest, DamageIsSaidSo) {
  EXPECT_TRUE(absl::IsDataLoss(table_.Restore("qc", std::string(21, 'x'), false)));
  const std::string key = CarriedKey(kQueue, 0);
  EXPECT_TRUE(absl::IsDataLoss(table_.Restore(key, "", false)));
  EXPECT_TRUE(absl::IsDataLoss(table_.Restore(key, std::string(22, 'x'), false)));
}

}  // namespace
}  // namespace mansio::store
