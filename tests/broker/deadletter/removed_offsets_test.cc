#include "broker/deadletter/removed_offsets.h"

#include <gtest/gtest.h>

#include <iterator>
#include <random>
#include <set>

#include "broker/deadletter/records.h"

namespace mansio::broker {
namespace {

constexpr store::QueueOffset kChunk = RemovedOffsets::kChunk;

TEST(RemovedOffsetsTest, IsASet) {
  std::mt19937 random(7);
  RemovedOffsets removed;
  std::set<store::QueueOffset> model;
  for (int i = 0; i < 20000; ++i) {
    const store::QueueOffset offset = random() % (4 * kChunk);
    EXPECT_EQ(removed.Add(offset), model.insert(offset).second);
    const store::QueueOffset from = random() % (4 * kChunk);
    const store::QueueOffset to = from + random() % (3 * kChunk);
    ASSERT_EQ(removed.CountIn(from, to),
              static_cast<uint64_t>(std::distance(model.lower_bound(from), model.lower_bound(to))));
    ASSERT_EQ(removed.Contains(from), model.contains(from));
    const store::QueueOffset next = removed.Skip(from);
    for (store::QueueOffset o = from; o < next; ++o) ASSERT_TRUE(model.contains(o));
    ASSERT_FALSE(model.contains(next));
    const store::QueueOffset end = removed.SkipBack(from);
    for (store::QueueOffset o = end; o < from; ++o) ASSERT_TRUE(model.contains(o));
    ASSERT_FALSE(end > 0 && model.contains(end - 1));
  }
}

TEST(RemovedOffsetsTest, CompleteChunksArePassedOverAndForgotten) {
  RemovedOffsets removed;
  for (store::QueueOffset o = kChunk; o < 3 * kChunk; ++o) removed.Add(o);
  removed.Add(3 * kChunk + 1);
  EXPECT_EQ(removed.Skip(0), 0u);
  EXPECT_EQ(removed.Skip(kChunk + 5), 3 * kChunk);
  EXPECT_EQ(removed.SkipBack(3 * kChunk), kChunk);
  EXPECT_EQ(removed.SkipBack(3 * kChunk + 3), 3 * kChunk + 3);
  EXPECT_EQ(removed.ForgetBefore(2 * kChunk + 1), std::vector<uint64_t>{1});
  EXPECT_EQ(removed.chunks(), (std::vector<uint64_t>{2, 3}));
  EXPECT_FALSE(removed.Contains(kChunk));
}

TEST(RemovedOffsetsTest, ChunksAreWrittenAndRead) {
  RemovedOffsets removed;
  for (store::QueueOffset o = 0; o < kChunk; ++o) removed.Add(o);
  for (const store::QueueOffset o : {kChunk, kChunk + 9, 2 * kChunk - 1}) removed.Add(o);
  RemovedOffsets read;
  for (const uint64_t chunk : removed.chunks()) {
    ASSERT_TRUE(read.Decode(chunk, removed.Encode(chunk)).ok());
  }
  for (store::QueueOffset o = 0; o < 3 * kChunk; ++o) {
    ASSERT_EQ(read.Contains(o), removed.Contains(o)) << o;
  }
  EXPECT_EQ(read.CountIn(0, 3 * kChunk), kChunk + 3);
  EXPECT_EQ(removed.Encode(2), "");
  EXPECT_TRUE(absl::IsDataLoss(read.Decode(5, "short")));
}

TEST(DeadLettersRemovedRecordTest, IsWrittenAndRead) {
  const DeadLettersRemovedRecord record{7, {3, 4, 1000000}};
  const std::string bytes = record.Encode();
  const auto read = DeadLettersRemovedRecord::Decode(bytes);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->topic, 7u);
  EXPECT_EQ(read->offsets, record.offsets);
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(DeadLettersRemovedRecord::Decode(bytes.substr(0, cut)).ok());
  }
}

}  // namespace
}  // namespace mansio::broker
