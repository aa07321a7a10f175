#include "store/queue/consume_queues.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "store/checkpoint/memory_store.h"

namespace mansio::store {
namespace {

constexpr uint64_t kPlenty = 64 << 20;
constexpr QueueKey kQueue{7, 1};

QueueEntry EntryAt(QueueOffset offset) {
  return {1000 + offset * 100, static_cast<uint32_t>(90 + offset % 10), offset * 77};
}

bool operator==(const QueueEntry& a, const QueueEntry& b) {
  return a.log_offset == b.log_offset && a.size == b.size && a.tag_hash == b.tag_hash;
}

MATCHER_P2(AreEntries, from, to, "") {
  std::vector<QueueEntry> expected;
  for (QueueOffset i = from; i < static_cast<QueueOffset>(to); ++i) expected.push_back(EntryAt(i));
  if (arg.size() != expected.size()) {
    *result_listener << "has " << arg.size() << " entries";
    return false;
  }
  for (size_t i = 0; i < arg.size(); ++i) {
    if (!(arg[i] == expected[i])) {
      *result_listener << "differs at " << from + i;
      return false;
    }
  }
  return true;
}

class Pairs : public StateSink {
 public:
  void Put(std::string_view key, std::string_view value) override {
    pairs[std::string(key)] = value;
  }
  void Delete(std::string_view key) override { pairs.erase(std::string(key)); }
  std::map<std::string, std::string> pairs;
};

class ConsumeQueuesTest : public ::testing::Test {
 protected:
  ConsumeQueuesTest() { Reset(kPlenty); }

  void Reset(uint64_t limit) { queues_ = std::make_unique<ConsumeQueues>(limit, &disk_); }

  // Messages [from, to), the store time of each is 5,000 plus its offset.
  void Fill(QueueKey queue, QueueOffset from, QueueOffset to) {
    for (QueueOffset i = from; i < to; ++i) {
      ASSERT_TRUE(queues_->Append(queue, i, EntryAt(i), 5000 + static_cast<StoreTime>(i)).ok());
    }
  }

  void Checkpoint() {
    const QueueCapture capture = queues_->Capture();
    Write(capture);
  }

  void Write(const QueueCapture& capture) {
    KeyValueBatch batch;
    ASSERT_TRUE(queues_->AddTo(batch, capture).ok());
    ASSERT_TRUE(disk_.Write(batch).ok());
    queues_->Written(capture);
  }

  // A new process with the checkpoint of the old one.
  void Restart(uint64_t limit) {
    Reset(limit);
    ASSERT_TRUE(disk_
                    .Scan(kQueueRecordPrefix, PrefixEnd(kQueueRecordPrefix),
                          [&](std::string_view key, std::string_view value) {
                            EXPECT_TRUE(queues_->Restore(key, value).ok());
                            return true;
                          })
                    .ok());
  }

  std::vector<QueueOffset> RunsOnDisk(QueueKey queue) {
    std::vector<QueueOffset> runs;
    EXPECT_TRUE(disk_
                    .Scan(RunKey(queue, 0), RunKey(queue, ~QueueOffset{0}),
                          [&](std::string_view key, std::string_view) {
                            runs.push_back(*OffsetOfRunKey(key));
                            return true;
                          })
                    .ok());
    return runs;
  }

  MemoryStore disk_;
  std::unique_ptr<ConsumeQueues> queues_;
};

TEST_F(ConsumeQueuesTest, UnknownQueueIsEmptyAndIgnoresMessages) {
  EXPECT_EQ(queues_->AssignOffset(kQueue), 0u);
  EXPECT_TRUE(queues_->Append(kQueue, 0, EntryAt(0), 1).ok());
  EXPECT_EQ(queues_->Range(kQueue).next, 0u);
  EXPECT_THAT(*queues_->HotEntries(kQueue, 0, 10), ::testing::IsEmpty());
  EXPECT_FALSE(queues_->FirstStoreTime(kQueue).has_value());
  EXPECT_TRUE(queues_->NeverTrimmed(kQueue));
}

TEST_F(ConsumeQueuesTest, AQueueMayBeDefinedInTheBatchOfItsFirstMessages) {
  EXPECT_EQ(queues_->AssignOffset(kQueue), 0u);
  EXPECT_EQ(queues_->AssignOffset(kQueue), 1u);
  queues_->Define(7, 2);
  Fill(kQueue, 0, 2);
  EXPECT_EQ(queues_->AssignOffset(kQueue), 2u);
}

TEST_F(ConsumeQueuesTest, OffsetsAreDenseAndReadableAtOnce) {
  queues_->Define(7, 2);
  for (QueueOffset i = 0; i < 3; ++i) EXPECT_EQ(queues_->AssignOffset(kQueue), i);
  EXPECT_EQ(queues_->Range(kQueue).next, 0u) << "assigned is not applied";
  Fill(kQueue, 0, 3);
  EXPECT_EQ(queues_->AssignOffset(kQueue), 3u);
  EXPECT_THAT(*queues_->HotEntries(kQueue, 0, 10), AreEntries(0u, 3u));
  EXPECT_THAT(*queues_->HotEntries(kQueue, 1, 1), AreEntries(1u, 2u));
  EXPECT_THAT(*queues_->HotEntries(kQueue, 3, 10), ::testing::IsEmpty());
  EXPECT_EQ(queues_->FirstStoreTime(kQueue), 5000);
  EXPECT_EQ(queues_->Range({7, 0}).next, 0u);
}

TEST_F(ConsumeQueuesTest, AGapIsDamage) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 3);
  EXPECT_TRUE(absl::IsDataLoss(queues_->Append(kQueue, 4, EntryAt(4), 1)));
  EXPECT_TRUE(absl::IsDataLoss(queues_->Append(kQueue, 2, EntryAt(2), 1)));
}

TEST_F(ConsumeQueuesTest, RunsGrowIntoBlocks) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 100);
  Checkpoint();
  Fill(kQueue, 100, 200);
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0, 100));
  Fill(kQueue, 200, 600);
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0, 256, 512));
  const std::string block = **disk_.Get(RunKey(kQueue, 256));
  const RunView run = *DecodeRun(block);
  EXPECT_EQ(run.count, 256u);
  EXPECT_EQ(run.first_time, 5256);
  EXPECT_EQ(UnpackEntry(run.At(0)).log_offset, EntryAt(256).log_offset);
}

TEST_F(ConsumeQueuesTest, RunsKnowTheirFirstStoreTime) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 10);
  Checkpoint();
  const QueueCapture early = [&] {
    Fill(kQueue, 10, 20);
    return queues_->Capture();
  }();
  Fill(kQueue, 20, 30);  // behind the capture
  Write(early);
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0, 10, 20));
  EXPECT_EQ(DecodeRun(**disk_.Get(RunKey(kQueue, 10)))->first_time, 5010);
  EXPECT_EQ(DecodeRun(**disk_.Get(RunKey(kQueue, 20)))->first_time, 5020);
}

TEST_F(ConsumeQueuesTest, AFailedCheckpointComesAgain) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 10);
  const QueueCapture lost = queues_->Capture();
  Fill(kQueue, 10, 20);
  queues_->Failed(lost);
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0));
  EXPECT_EQ(DecodeRun(**disk_.Get(RunKey(kQueue, 0)))->first_time, 5000);
  Restart(kPlenty);
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 0, 100), AreEntries(0u, 20u));
}

TEST_F(ConsumeQueuesTest, AfterARestartEntriesAreColdThenHot) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 1000);
  Checkpoint();
  Restart(kPlenty);
  EXPECT_EQ(queues_->Range(kQueue).next, 1000u);
  EXPECT_EQ(queues_->AssignOffset(kQueue), 1000u);
  EXPECT_EQ(queues_->FirstStoreTime(kQueue), 5000);
  EXPECT_FALSE(queues_->HotEntries(kQueue, 990, 5).has_value());
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 200, 700), AreEntries(200u, 900u));
  EXPECT_THAT(*queues_->HotEntries(kQueue, 200, 700), AreEntries(200u, 900u));
  Fill(kQueue, 1000, 1100);  // goes on in the block of 768, which is in memory
  EXPECT_THAT(*queues_->HotEntries(kQueue, 900, 500), AreEntries(900u, 1100u));
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0, 256, 512, 768, 1024));
}

TEST_F(ConsumeQueuesTest, ATailThatBeganMidBlockIsJoinedWithItsFront) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 100);
  Checkpoint();
  Restart(kPlenty);
  Fill(kQueue, 100, 120);
  EXPECT_FALSE(queues_->HotEntries(kQueue, 90, 20).has_value());
  EXPECT_THAT(*queues_->HotEntries(kQueue, 100, 20), AreEntries(100u, 120u));
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 0, 500), AreEntries(0u, 120u));
  EXPECT_THAT(*queues_->HotEntries(kQueue, 0, 500), AreEntries(0u, 120u));
}

TEST_F(ConsumeQueuesTest, MemoryStaysUnderItsLimitOnceCheckpointed) {
  constexpr uint64_t kLimit = 100 * 1024;
  Reset(kLimit);
  queues_->Define(7, 2);
  Fill(kQueue, 0, 50'000);
  EXPECT_GT(queues_->MemoryBytes(), kLimit) << "what no checkpoint has must stay";
  EXPECT_EQ(queues_->PendingBytes(), 50'000 * kEntryBytes);
  Checkpoint();
  EXPECT_LE(queues_->MemoryBytes(), kLimit);
  EXPECT_EQ(queues_->PendingBytes(), 0u);
  for (QueueOffset from = 0; from < 50'000; from += 1000) {
    EXPECT_THAT(*queues_->ReadEntries(kQueue, from, 1000), AreEntries(from, from + 1000));
    EXPECT_LE(queues_->MemoryBytes(), kLimit);
  }
}

TEST_F(ConsumeQueuesTest, TheLeastRecentlyUsedBlockGoesFirst) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 4 * 256);
  Checkpoint();
  Restart(3 * (256 * kEntryBytes + EntryBlock::kOverhead));
  for (const QueueOffset from : {0, 256, 512, 0, 768}) {
    ASSERT_TRUE(queues_->ReadEntries(kQueue, from, 256).ok());
  }
  EXPECT_TRUE(queues_->HotEntries(kQueue, 0, 256).has_value());
  EXPECT_FALSE(queues_->HotEntries(kQueue, 256, 1).has_value());
  EXPECT_TRUE(queues_->HotEntries(kQueue, 512, 512).has_value());
}

TEST_F(ConsumeQueuesTest, TrimMovesTheMinimumAndDeletesWholeBlocks) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 1000);
  Checkpoint();
  queues_->Trim(kQueue, 600);
  EXPECT_EQ(queues_->Range(kQueue).min, 600u);
  EXPECT_FALSE(queues_->NeverTrimmed(kQueue));
  EXPECT_EQ(queues_->FirstStoreTime(kQueue), 0);
  EXPECT_TRUE(absl::IsOutOfRange(queues_->ReadEntries(kQueue, 599, 1).status()));
  EXPECT_TRUE(queues_->HotEntries(kQueue, 599, 1)->empty()) << "there is nothing to wait for";
  queues_->Trim(kQueue, 500);
  EXPECT_EQ(queues_->Range(kQueue).min, 600u) << "never back";
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(512, 768));
  Restart(kPlenty);
  EXPECT_EQ(queues_->Range(kQueue).min, 600u);
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 600, 1000), AreEntries(600u, 1000u));
  queues_->Trim(kQueue, 5000);
  EXPECT_EQ(queues_->Range(kQueue).min, 1000u) << "at most to the end";
  EXPECT_EQ(queues_->Range(kQueue).next, 1000u);
}

TEST_F(ConsumeQueuesTest, TrimOvertakesEntriesThatNoCheckpointHas) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 300);
  Checkpoint();
  Fill(kQueue, 300, 1000);
  queues_->Trim(kQueue, 800);
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(768));
  Restart(kPlenty);
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 800, 1000), AreEntries(800u, 1000u));
}

TEST_F(ConsumeQueuesTest, ADroppedTopicLeavesNothingBehind) {
  queues_->Define(7, 2);
  queues_->Define(8, 1);
  Fill(kQueue, 0, 1000);
  Fill({8, 0}, 0, 10);
  Checkpoint();
  Fill(kQueue, 1000, 1100);
  queues_->Drop(7);
  EXPECT_EQ(queues_->Range(kQueue).next, 0u);
  EXPECT_EQ(queues_->PendingBytes(), 0u);
  EXPECT_TRUE(queues_->Append(kQueue, 1100, EntryAt(1100), 1).ok()) << "was on its way";
  Checkpoint();
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::IsEmpty());
  EXPECT_FALSE((*disk_.Get(QueueRecordKey(kQueue))).has_value());
  EXPECT_THAT(RunsOnDisk({8, 0}), ::testing::ElementsAre(0));
}

TEST_F(ConsumeQueuesTest, ACheckpointUnderWayStillHoldsATopicDroppedMeanwhile) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 300);
  const QueueCapture capture = queues_->Capture();
  queues_->Drop(7);
  Write(capture);
  EXPECT_THAT(RunsOnDisk(kQueue), ::testing::ElementsAre(0, 256));
  Restart(kPlenty);
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 0, 300), AreEntries(0u, 300u));
}

TEST_F(ConsumeQueuesTest, MinimaAtFindsTheFirstMessageBehindALogOffset) {
  queues_->Define(7, 4);
  Fill({7, 0}, 0, 1000);  // log offsets 1,000 … 100,900
  Fill({7, 1}, 0, 3);     // … 1,200
  Checkpoint();
  Fill({7, 1}, 3, 5);  // … 1,400
  ASSERT_TRUE(queues_->Append({7, 2}, 0, {1'000'000, 1, 1}, 1).ok());
  for (const bool restarted : {false, true}) {
    if (restarted) {
      Checkpoint();
      Restart(kPlenty);
    }
    const std::vector<QueueMinimum> minima = *queues_->MinimaAt(60'000);
    ASSERT_EQ(minima.size(), 2u);
    EXPECT_EQ(minima[0].queue, (QueueKey{7, 0}));
    EXPECT_EQ(minima[0].min, 590u);
    EXPECT_EQ(minima[1].queue, (QueueKey{7, 1}));
    EXPECT_EQ(minima[1].min, 5u) << "all of it";
  }
  EXPECT_THAT(*queues_->MinimaAt(1000), ::testing::IsEmpty());
}

TEST_F(ConsumeQueuesTest, DamagedRunsAreReported) {
  queues_->Define(7, 2);
  Fill(kQueue, 0, 300);
  Checkpoint();
  KeyValueBatch damage;
  damage.Put(RunKey(kQueue, 0), "too short");
  damage.Delete(RunKey(kQueue, 256));
  ASSERT_TRUE(disk_.Write(damage).ok());
  Restart(kPlenty);
  EXPECT_TRUE(absl::IsDataLoss(queues_->ReadEntries(kQueue, 0, 1).status()));
  const absl::Status missing = queues_->ReadEntries(kQueue, 299, 1).status();
  EXPECT_TRUE(absl::IsDataLoss(missing));
  EXPECT_THAT(std::string(missing.message()), ::testing::HasSubstr("delete the directory"));
  EXPECT_TRUE(absl::IsDataLoss(queues_->Restore(QueueRecordKey({9, 9}), "x")));
  EXPECT_TRUE(absl::IsDataLoss(queues_->Restore("qm", "x")));
}

TEST_F(ConsumeQueuesTest, ARebuildTakesQueuesAsItFindsThem) {
  // The log begins in the middle of queue 1, and before the snapshot topic 9 was deleted.
  Pairs snapshot;
  snapshot.pairs[QueueRecordKey(kQueue)] = EncodeQueueRecord({20, 60, 123});
  snapshot.pairs[QueueRecordKey({7, 0})] = EncodeQueueRecord({0, 4, 1});  // all trimmed after it
  queues_->BeginRebuild();
  Fill(kQueue, 50, 60);
  Fill({9, 0}, 3, 5);
  for (const auto& [key, value] : snapshot.pairs) ASSERT_TRUE(queues_->Restore(key, value).ok());
  queues_->EndRebuild();
  EXPECT_EQ(queues_->Range({9, 0}).next, 0u);
  Fill(kQueue, 60, 70);
  queues_->Trim(kQueue, 50);
  queues_->Trim({7, 0}, 4);
  EXPECT_EQ(queues_->SkipMissing(), 0u);
  EXPECT_EQ(queues_->Range(kQueue).min, 50u);
  EXPECT_EQ(queues_->Range({7, 0}).min, 4u);
  EXPECT_EQ(queues_->Range({7, 0}).next, 4u);
  Checkpoint();
  Restart(kPlenty);
  EXPECT_THAT(*queues_->ReadEntries(kQueue, 50, 100), AreEntries(50u, 70u));
}

TEST_F(ConsumeQueuesTest, ARebuildSkipsWhatNoFileHas) {
  Pairs snapshot;
  snapshot.pairs[QueueRecordKey(kQueue)] = EncodeQueueRecord({20, 60, 123});
  queues_->BeginRebuild();
  Fill(kQueue, 50, 60);
  for (const auto& [key, value] : snapshot.pairs) ASSERT_TRUE(queues_->Restore(key, value).ok());
  queues_->EndRebuild();
  EXPECT_EQ(queues_->SkipMissing(), 1u);
  EXPECT_EQ(queues_->Range(kQueue).min, 50u);
}

TEST_F(ConsumeQueuesTest, ASnapshotThatDoesNotFitTheMessagesIsRefused) {
  queues_->BeginRebuild();
  Fill(kQueue, 50, 60);
  EXPECT_TRUE(
      absl::IsDataLoss(queues_->Restore(QueueRecordKey(kQueue), EncodeQueueRecord({20, 61, 123}))));
}

// Random operations against the simplest thing that could be right, with little memory and a
// restart or a failed checkpoint now and then.
TEST_F(ConsumeQueuesTest, BehavesLikeAVector) {
  std::mt19937 random(20240611);
  constexpr uint64_t kLimit = 40'000;
  struct Model {
    QueueOffset min = 0;
    QueueOffset next = 0;
  };
  std::map<QueueKey, Model> model;
  std::map<QueueKey, Model> saved;
  Reset(kLimit);
  queues_->Define(7, 4);
  for (uint32_t i = 0; i < 4; ++i) model[{7, i}] = {};
  saved = model;
  for (int step = 0; step < 3000; ++step) {
    const QueueKey key{7, static_cast<uint32_t>(random() % 4)};
    Model& expected = model[key];
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        const QueueOffset to = expected.next + random() % (random() % 8 == 0 ? 700 : 20);
        Fill(key, expected.next, to);
        expected.next = to;
        break;
      }
      case 3:
        if (random() % 4 == 0 && expected.next > expected.min) {
          expected.min += random() % (expected.next - expected.min + 1);
          queues_->Trim(key, expected.min);
        }
        break;
      case 4:
        if (random() % 3 == 0) {
          queues_->Failed(queues_->Capture());
        } else {
          Checkpoint();
          saved = model;
        }
        break;
      case 5:
        if (random() % 10 == 0) {  // a crash: back to the checkpoint
          Restart(kLimit);
          queues_->Define(7, 4);
          model = saved;
        }
        break;
      default: {
        if (expected.min == expected.next) break;
        const QueueOffset from = expected.min + random() % (expected.next - expected.min);
        const size_t max = 1 + random() % 600;
        const QueueOffset to = std::min<QueueOffset>(from + max, expected.next);
        const auto hot = queues_->HotEntries(key, from, max);
        if (hot.has_value()) {
          EXPECT_THAT(*hot, AreEntries(from, to));
        }
        const auto read = queues_->ReadEntries(key, from, max);
        ASSERT_TRUE(read.ok()) << read.status().message();
        EXPECT_THAT(*read, AreEntries(from, to));
      }
    }
    for (const auto& [queue, range] : model) {
      ASSERT_EQ(queues_->Range(queue).min, range.min) << step;
      ASSERT_EQ(queues_->Range(queue).next, range.next) << step;
    }
  }
}

}  // namespace
}  // namespace mansio::store
