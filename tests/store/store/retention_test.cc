#include "store/retention/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "store/retention/snapshot.h"
#include "store/retention/trim.h"
#include "tests/store/store/retention_fixture.h"

namespace mansio::store {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(RetentionTest, NothingGoesWithoutAReason) {
  Fill(3);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_EQ(store->cursors().min, 0u);
  EXPECT_TRUE(store->NeverTrimmed(kBusy));
}

TEST_F(RetentionTest, OldSegmentsGoAndMinimaMove) {
  Fill(2);
  clock.Advance(absl::Hours(73));
  Fill(2);
  ASSERT_TRUE(store->EnforceRetention().ok());
  const LogOffset min = store->cursors().min;
  EXPECT_GE(min, 2 * options.segment_bytes);
  EXPECT_GT(store->Range(kBusy).min, 0u);
  EXPECT_FALSE(store->NeverTrimmed(kBusy));
  const auto first = store->ReadEntries(kBusy, store->Range(kBusy).min, 1);
  ASSERT_TRUE(first.ok());
  EXPECT_GE(first->front().log_offset, min);
  EXPECT_LT(first->front().log_offset, min + 3000) << "exactly the first that is left";
  EXPECT_EQ(store->Range(kQuiet).min, 1u) << "its only message was in the first segment";
  EXPECT_EQ(store->Range(kQuiet).next, 1u);
  EXPECT_TRUE(store->NeverTrimmed(kEmpty));
  EXPECT_THAT(*files.List("/store/log"),
              ::testing::Not(::testing::Contains("00000000000000000000")));
  ExpectDense();
}

TEST_F(RetentionTest, TheActiveSegmentStaysHoweverOld) {
  Fill(1);
  clock.Advance(absl::Hours(1000));
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_GE(store->cursors().appended, store->cursors().min);
  EXPECT_EQ(Send(kQuiet, "goes on")->queue_offsets[0], 1u);
}

TEST_F(RetentionTest, ByTotalSize) {
  options.retention_bytes = 3 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  Fill(8);
  ASSERT_TRUE(store->EnforceRetention().ok());
  const Cursors cursors = store->cursors();
  EXPECT_LE(cursors.appended - cursors.min, 4 * options.segment_bytes);
  EXPECT_GT(cursors.min, 0u);
  ExpectDense();
}

TEST_F(RetentionTest, LimitsChangeWhileTheStoreIsOpen) {
  Fill(8);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_EQ(store->cursors().min, 0u);
  store->SetRetention(absl::Hours(72), 3 * options.segment_bytes);
  ASSERT_TRUE(store->EnforceRetention().ok());
  const LogOffset by_size = store->cursors().min;
  EXPECT_GT(by_size, 0u);
  EXPECT_LE(store->cursors().appended - by_size, 4 * options.segment_bytes);
  store->SetRetention(absl::Hours(1), 0);
  EXPECT_EQ(store->CarryBudgetLeft(), UINT64_MAX);
  clock.Advance(absl::Hours(2));
  Fill(1);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_GT(store->cursors().min, by_size);
}

TEST_F(RetentionTest, ALimitThatIsSetDuringATrimCountsToo) {
  Fill(8);
  machine->on_live = [this, set = false]() mutable {
    if (!std::exchange(set, true)) store->SetRetention(absl::Hours(72), 3 * options.segment_bytes);
  };
  store->SetRetention(absl::Hours(72), 6 * options.segment_bytes);
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_LE(store->cursors().appended - store->cursors().min, 4 * options.segment_bytes);
}

TEST_F(RetentionTest, AgesOfSegmentsSurviveARestart) {
  Fill(2);
  ASSERT_TRUE(store->Close().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(machine->replayed(), 0u);
  clock.Advance(absl::Hours(73));
  Fill(1);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_GE(store->cursors().min, 2 * options.segment_bytes);
}

TEST_F(RetentionTest, TheLogAloneRebuildsEverything) {
  options.retention_bytes = 2 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(2, 1).ok());
  ASSERT_TRUE(Send({2, 0}, "of a topic that is going to go").ok());
  ASSERT_TRUE(DropTopic(2).ok());
  for (int round = 0; round < 4; ++round) {
    Fill(3);
    ASSERT_TRUE(store->EnforceRetention().ok());
  }
  Fill(1);
  const std::string digest = machine->Digest();
  const QueueRange busy = store->Range(kBusy);
  const std::vector<std::string> contents = Contents(kBusy);
  EXPECT_GT(busy.min, 0u);
  for (const bool closed : {true, false}) {
    if (closed) {
      ASSERT_TRUE(store->Close().ok());
    }
    Drop();
    ASSERT_TRUE(checkpoint.Wipe().ok());
    ASSERT_TRUE(Open().ok());
    EXPECT_TRUE(store->recovered().rebuilt);
    EXPECT_EQ(machine->Digest(), digest);
    EXPECT_EQ(machine->Get("k"), "v");
    EXPECT_EQ(store->Range(kBusy).min, busy.min);
    EXPECT_EQ(store->Range(kBusy).next, busy.next);
    EXPECT_EQ(store->Range(kQuiet).min, 1u);
    EXPECT_EQ(store->Range({2, 0}).next, 0u);
    EXPECT_EQ(Contents(kBusy), contents);
  }
  // And once more from the checkpoint that the rebuild makes.
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_EQ(machine->Digest(), digest);
  EXPECT_EQ(Contents(kBusy), contents);
}

TEST_F(RetentionTest, ALongRebuildSavesQueueEntriesOnTheWay) {
  options.retention_bytes = 4 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  Fill(6);
  ASSERT_TRUE(store->EnforceRetention().ok());
  Fill(2);
  const std::vector<std::string> contents = Contents(kBusy);
  Drop();
  ASSERT_TRUE(checkpoint.Wipe().ok());
  options.queue_memory_bytes = 50 * kEntryBytes;
  ASSERT_TRUE(Open().ok());
  EXPECT_LT(store->queues().PendingBytes(), 50 * kEntryBytes);
  EXPECT_EQ(Contents(kBusy), contents);
}

TEST_F(RetentionTest, WithoutABeginningOrASnapshotTheStartIsRefused) {
  Fill(3);
  ASSERT_TRUE(store->Close().ok());
  Drop();
  ASSERT_TRUE(checkpoint.Wipe().ok());
  ASSERT_TRUE(files.Remove("/store/log/00000000000000000000").ok());
  const absl::Status opened = Open();
  EXPECT_TRUE(absl::IsDataLoss(opened));
  EXPECT_THAT(std::string(opened.message()), HasSubstr("no complete snapshot"));
}

TEST_F(RetentionTest, WhatWasDeletedBehindTheSnapshotStaysDeleted) {
  ASSERT_TRUE(Send(kQuiet, "live", TestMachine::kLiveTag).ok());
  Fill(2);
  clock.Advance(absl::Hours(73));
  Fill(1);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_EQ(machine->Live().size(), 1u);
  auto release = std::make_unique<TestAppend>();
  TestMachine::AddRelease(*release, kQuiet, 1);
  ASSERT_TRUE(SendAndWait(store.get(), std::move(release)).ok());
  const std::string digest = machine->Digest();
  Drop();
  ASSERT_TRUE(checkpoint.Wipe().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_TRUE(store->recovered().rebuilt);
  EXPECT_EQ(machine->Digest(), digest);
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_EQ(machine->Digest(), digest);
  EXPECT_THAT(machine->Live(), IsEmpty());
}

TEST_F(RetentionTest, AFileThatOutlivedItsTrimGoesAtTheNextTurn) {
  Fill(4);
  clock.Advance(absl::Hours(73));
  Fill(1);
  files.Inject({.operation = RecordingFileSystem::Operation::kRemove, .sticky = true});
  files.Inject({.operation = RecordingFileSystem::Operation::kRename, .sticky = true});
  EXPECT_FALSE(store->EnforceRetention().ok());
  const QueueOffset min = store->Range(kBusy).min;
  EXPECT_GT(min, 0u) << "the minimum has moved";
  files.ClearFaults();
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(store->cursors().min, 0u);
  EXPECT_EQ(store->Range(kBusy).min, min);
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_GT(store->cursors().min, 0u);
  ExpectDense();
}

TEST(TrimRecordTest, ComesBackAsItWas) {
  const std::vector<QueueMinimum> minima = {{{1, 2}, 3}, {{4, 5}, ~QueueOffset{0}}};
  const TrimBody trim = *DecodeTrim(EncodeTrim(77, false, minima));
  EXPECT_EQ(trim.offset, 77u);
  EXPECT_FALSE(trim.last);
  ASSERT_EQ(trim.minima.size(), 2u);
  EXPECT_EQ(trim.minima[1].queue, (QueueKey{4, 5}));
  EXPECT_EQ(trim.minima[1].min, ~QueueOffset{0});
  EXPECT_THAT(DecodeTrim(EncodeTrim(77, true, {}))->minima, IsEmpty());
  EXPECT_TRUE(absl::IsDataLoss(DecodeTrim("short").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeTrim(EncodeTrim(77, true, minima) + "x").status()));
}

class SnapshotFinderTest : public ::testing::Test {
 protected:
  void See(RecordKind kind, const std::string& body) {
    RecordView record;
    record.kind = kind;
    record.body = body;
    ASSERT_TRUE(finder_.See(record).ok());
  }
  void Begin(LogOffset at) { See(kSnapshotBeginRecord, EncodeSnapshotMark({{1, at}, 0})); }
  void End(LogOffset at, uint64_t pairs) {
    See(kSnapshotEndRecord, EncodeSnapshotMark({{1, at}, pairs}));
  }
  void Entry(const std::string& key) { See(kSnapshotEntryRecord, EncodeSnapshotEntry(key, "v")); }

  SnapshotFinder finder_{8};
};

TEST_F(SnapshotFinderTest, FindsTheFirstCompleteOne) {
  Entry("of one whose begin is gone");
  End(5, 1);
  EXPECT_FALSE(finder_.complete());
  Begin(10);
  Entry("of one that a crash ended");
  Begin(20);
  Entry("a");
  Entry("b");
  EXPECT_FALSE(finder_.complete());
  End(20, 2);
  EXPECT_TRUE(finder_.complete());
  Begin(30);
  End(30, 0);
  EXPECT_EQ(finder_.captured_at(), 20u);
  ASSERT_EQ(finder_.pairs().size(), 2u);
  EXPECT_EQ(finder_.pairs()[1].first, "b");
}

TEST_F(SnapshotFinderTest, OneCapturedBeforeTheLogBeginsIsOfNoUse) {
  Begin(7);  // the log begins at 8: between the capture and this mark a segment ended
  Entry("a");
  End(7, 1);
  EXPECT_FALSE(finder_.complete());
  Begin(8);
  End(8, 0);
  EXPECT_TRUE(finder_.complete());
}

TEST_F(SnapshotFinderTest, AMissingPairMakesItIncomplete) {
  Begin(10);
  Entry("a");
  End(10, 2);
  EXPECT_FALSE(finder_.complete());
}

}  // namespace
}  // namespace mansio::store
