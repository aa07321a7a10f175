#include "broker/consumption/records.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace mansio::broker {
namespace {

std::vector<store::QueueOffset> Following(store::QueueOffset first, size_t count) {
  std::vector<store::QueueOffset> offsets;
  for (size_t i = 0; i < count; ++i) offsets.push_back(first + i);
  return offsets;
}

LeaseRecord LeaseOf(std::vector<QueueOffsets> queues) {
  return {2, 7, true, 0x1122334455667788, 1700000000000, std::move(queues)};
}

void ExpectComesBack(const LeaseRecord& record) {
  const auto back = LeaseRecord::Decode(record.Encode());
  ASSERT_TRUE(back.ok()) << back.status();
  ASSERT_EQ(back->queues.size(), record.queues.size());
  for (size_t i = 0; i < record.queues.size(); ++i) {
    EXPECT_EQ(back->queues[i].queue, record.queues[i].queue);
    EXPECT_EQ(back->queues[i].cursor, record.queues[i].cursor);
    EXPECT_EQ(back->queues[i].offsets, record.queues[i].offsets);
  }
}

TEST(ConsumptionRecordsTest, OffsetsComeBackInWhateverPatternTheyStand) {
  const std::vector<std::vector<store::QueueOffset>> patterns = {{},
                                                                 {0},
                                                                 {5},
                                                                 {5, 6},
                                                                 {5, 7},
                                                                 {3, 4, 9},
                                                                 {3, 9, 4, 6},
                                                                 Following(70000, 32),
                                                                 {~0ull - 1, ~0ull}};
  for (const auto& offsets : patterns) {
    for (const store::QueueOffset cursor : {0ull, 6ull, 70032ull, ~0ull}) {
      ExpectComesBack(LeaseOf({{3, cursor, offsets}, {4, 1, {1}}}));
    }
    const LeasesEndRecord end{1, 2, false, {{3, 0, offsets}}};
    const auto back = LeasesEndRecord::Decode(end.Encode());
    ASSERT_TRUE(back.ok()) << back.status();
    ASSERT_EQ(back->queues.size(), 1u);
    EXPECT_EQ(back->queues[0].offsets, offsets);
  }
}

// docs/performance.md: what a consumed message costs in the log.
TEST(ConsumptionRecordsTest, MessagesThatFollowEachOtherCostNoBytes) {
  const size_t one = LeaseOf({{3, 1'500'001, {1'500'000}}}).Encode().size();
  EXPECT_LE(one, 23u);
  EXPECT_EQ(LeaseOf({{3, 1'500'032, Following(1'500'000, 32)}}).Encode().size(), one);
  EXPECT_LE((LeasesEndRecord{2, 7, true, {{3, 0, {1'500'000}}}}).Encode().size(), 8u);
}

TEST(ConsumptionRecordsTest, ADamagedCountIsRefused) {
  // group, topic, counted, queue, then a run of 2^62 messages that the record does not have.
  std::string record("\1\2\1\3\xff\xff\xff\xff\xff\xff\xff\xff\x7f\5", 14);
  EXPECT_TRUE(absl::IsDataLoss(LeasesEndRecord::Decode(record).status()));
  record = std::string("\1\2\1\3\x7f", 5);  // a run without its first message
  EXPECT_TRUE(absl::IsDataLoss(LeasesEndRecord::Decode(record).status()));
}

}  // namespace
}  // namespace mansio::broker
