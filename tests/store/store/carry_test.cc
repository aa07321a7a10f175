// Live messages when their segments go: carried forward, found, kept over restarts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "store/retention/retention.h"
#include "tests/store/store/retention_fixture.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Segments are removed by size here, so that traffic drives messages out.
class CarryTest : public RetentionTest {
 protected:
  void SetUp() override {
    options.retention_bytes = 2 * options.segment_bytes;
    RetentionTest::SetUp();
  }

  void SendLive(const std::string& content) {
    ASSERT_TRUE(Send(kQuiet, content, TestMachine::kLiveTag).ok());
  }
  void Release(QueueOffset offset) {
    auto append = std::make_unique<TestAppend>();
    TestMachine::AddRelease(*append, kQuiet, offset);
    ASSERT_TRUE(SendAndWait(store.get(), std::move(append)).ok());
  }
  // So much traffic that everything sent before is in segments that have gone.
  void PushOut() {
    Fill(4);
    ASSERT_TRUE(store->EnforceRetention().ok());
  }
  std::string Read(QueueOffset offset) {
    const auto entries = store->ReadEntries(kQuiet, offset, 1);
    if (!entries.ok()) return std::string(absl::StatusCodeToString(entries.status().code()));
    const auto message = store->ReadMessage(kQuiet, offset, entries->front());
    return message.ok() ? std::string(message->view.content) : message.status().ToString();
  }
  std::vector<QueueOffset> Carried() {
    std::vector<QueueOffset> offsets;
    for (const CarriedEntry& carried : store->CarriedEntries(kQuiet, 0, 100)) {
      EXPECT_GE(carried.entry.log_offset, store->cursors().min);
      offsets.push_back(carried.offset);
    }
    return offsets;
  }
};

TEST_F(CarryTest, ALiveMessageOutlivesItsSegmentAsOftenAsItMust) {
  SendLive("live");                    // 1
  ASSERT_TRUE(Send(kQuiet, "").ok());  // 2
  SendLive("live too");                // 3
  for (int round = 0; round < 3; ++round) {
    PushOut();
    EXPECT_THAT(Carried(), ElementsAre(1, 3));
    EXPECT_EQ(store->Range(kQuiet).min, 4u);
    EXPECT_EQ(Read(1), "live");
    EXPECT_EQ(Read(3), "live too");
    EXPECT_EQ(Read(2), "OUT_OF_RANGE");
    EXPECT_THAT(*store->HotEntries(kQuiet, 2, 1), IsEmpty());
    EXPECT_EQ(store->HotEntries(kQuiet, 3, 9)->size(), 1u);
  }
  ExpectDense();
}

TEST_F(CarryTest, WhatIsReleasedGoes) {
  SendLive("acknowledged before its segment goes");
  SendLive("acknowledged after it");
  SendLive("never");
  Release(1);
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre(2, 3));
  Release(2);
  EXPECT_THAT(Carried(), ElementsAre(3));
  EXPECT_EQ(Read(2), "OUT_OF_RANGE");
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre(3));
}

TEST_F(CarryTest, AMessageIsKeptForItsOwnTimeOnly) {
  machine->keep = absl::Hours(1);
  SendLive("a dead letter");
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre(1));
  clock.Advance(absl::Hours(2));
  PushOut();
  EXPECT_THAT(Carried(), IsEmpty());
}

TEST_F(CarryTest, CarriedEntriesSurviveInACheckpointAndInTheLogAlone) {
  SendLive("live");
  SendLive("and live");
  PushOut();
  Release(1);
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_THAT(Carried(), ElementsAre(2));
  PushOut();
  for (int starts = 0; starts < 2; ++starts) {
    Drop();
    ASSERT_TRUE(checkpoint.Wipe().ok());
    ASSERT_TRUE(Open().ok());
    EXPECT_TRUE(store->recovered().rebuilt);
    EXPECT_THAT(Carried(), ElementsAre(2));
    EXPECT_EQ(Read(2), "and live");
  }
  // The rebuild's own checkpoint has them, too.
  ASSERT_TRUE(store->Checkpoint().ok());
  ASSERT_TRUE(Open().ok());
  EXPECT_FALSE(store->recovered().rebuilt);
  EXPECT_THAT(Carried(), ElementsAre(2));
}

TEST_F(CarryTest, ATopicTakesItsCarriedMessagesWithIt) {
  SendLive("live");
  PushOut();
  ASSERT_TRUE(DropTopic(1).ok());
  EXPECT_THAT(store->CarriedEntries(kQuiet, 0, 100), IsEmpty());
  EXPECT_EQ(store->CarryBudgetLeft(), options.retention_bytes / 100 * 20);
}

TEST_F(CarryTest, AReaderWithAnOldEntryFindsTheMessageWhereItIs) {
  SendLive("live");
  const QueueEntry before = store->ReadEntries(kQuiet, 1, 1)->front();
  PushOut();
  const auto message = store->ReadMessage(kQuiet, 1, before);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->view.content, "live");
}

TEST_F(CarryTest, TheBudgetRefusesWhenCarriedMessagesFillTheirShare) {
  EXPECT_TRUE(store->CheckCarryBudget().ok());
  const uint64_t whole = store->CarryBudgetLeft();
  for (int i = 0; i < 4; ++i) SendLive(std::string(8000, '.'));
  PushOut();
  EXPECT_EQ(store->CarryBudgetLeft(), 0u);
  EXPECT_TRUE(absl::IsResourceExhausted(store->CheckCarryBudget()));
  EXPECT_THAT(Carried(), ElementsAre(1, 2, 3, 4)) << "carrying never stops";
  for (QueueOffset offset = 1; offset <= 4; ++offset) Release(offset);
  EXPECT_EQ(store->CarryBudgetLeft(), whole);
}

TEST_F(CarryTest, TheLargestMessageThatIsTakenCanBeCarried) {
  const size_t segment = options.segment_bytes;
  size_t bytes = segment;
  while (!Send(kQuiet, std::string(bytes, 'x'), TestMachine::kLiveTag).ok()) --bytes;
  EXPECT_GT(bytes, segment - 300);
  PushOut();
  EXPECT_THAT(Carried(), ElementsAre(1));
  EXPECT_EQ(Read(1).size(), bytes);
}

TEST_F(CarryTest, SizeIsLookedAtWithEachSegment) {
  SendLive("live");
  // No timer comes near. The checkpoint thread is woken by the segments; it is given time to work
  // by more traffic.
  for (int i = 0; i < 200 && store->cursors().min == 0; ++i) Fill(1);
  EXPECT_GT(store->cursors().min, 0u);
  EXPECT_EQ(Read(1), "live");
}

// A checkpoint that fails stops a trim between its carries and its record.
TEST_F(CarryTest, ATrimThatFailedBehindItsCarriesIsMadeUpForWithoutCarryingTwice) {
  options.retention_bytes = 0;
  ASSERT_TRUE(Open().ok());
  SendLive("live");                               // 1
  ASSERT_TRUE(Send(kQuiet, "leased late").ok());  // 2
  SendLive("live too");                           // 3
  Fill(2);
  clock.Advance(absl::Hours(73));
  Fill(1);
  checkpoint.FailWrites(true);
  EXPECT_FALSE(store->EnforceRetention().ok());
  EXPECT_EQ(store->Range(kQuiet).min, 0u) << "the announced minimum is withdrawn";
  const uint64_t carried = store->queues().carried().bytes();
  EXPECT_GT(carried, 0u);
  Drop();
  checkpoint.FailWrites(false);
  ASSERT_TRUE(Open().ok());
  EXPECT_EQ(store->queues().carried().bytes(), carried);
  auto hold = std::make_unique<TestAppend>();
  TestMachine::AddHold(*hold, kQuiet, 2);
  ASSERT_TRUE(SendAndWait(store.get(), std::move(hold)).ok());
  const LogOffset before = store->cursors().appended;
  ASSERT_TRUE(store->EnforceRetention().ok());
  EXPECT_THAT(Carried(), ElementsAre(1, 2, 3));
  EXPECT_EQ(Read(1), "live");
  EXPECT_EQ(Read(2), "leased late");
  EXPECT_EQ(Read(3), "live too");
  EXPECT_LT(store->cursors().appended, before + options.segment_bytes / 2);
}

TEST_F(CarryTest, AnIdleLogIsNotCarriedInCircles) {
  // More live messages than retention would keep.
  for (int i = 0; i < 200; ++i) SendLive(std::string(1950, '.'));
  PushOut();
  for (int minute = 0; minute < 3; ++minute) {
    const LogOffset before = store->cursors().appended;
    ASSERT_TRUE(store->EnforceRetention().ok());
    if (minute > 0) {
      EXPECT_EQ(store->cursors().appended, before);
    }
  }
  EXPECT_EQ(store->CarriedEntries(kQuiet, 0, 1000).size(), 200u);
}

TEST_F(CarryTest, WhatCannotBeReadDoesNotKeepTheRest) {
  options.retention_bytes = 0;
  ASSERT_TRUE(Open().ok());
  SendLive("of a disk that forgets");
  SendLive("live");
  Fill(2);
  const QueueEntry damaged = store->ReadEntries(kQuiet, 1, 1)->front();
  ASSERT_TRUE(store->Close().ok());
  Drop();
  const auto file = files.Open("/store/log/00000000000000000000", OpenMode::kReadWrite);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Write(damaged.log_offset + damaged.size - 4, "????").ok());
  options.retention_bytes = 2 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  PushOut();
  EXPECT_GT(store->cursors().min, 0u);
  EXPECT_EQ(Read(1), "OUT_OF_RANGE");
  EXPECT_EQ(Read(2), "live");
}

// By age, with segments of 4 MiB; the clock is the test's.
class LongLivedTest : public ::testing::Test, protected StoreHarness {
 protected:
  static constexpr QueueKey kDelayed{7, 3};
  static constexpr QueueKey kLeased{8, 0};
  static constexpr QueueKey kTraffic{9, 0};

  void SetUp() override {
    options.segment_bytes = 4 << 20;
    options.retention_age = absl::Seconds(10);
    ASSERT_TRUE(Open().ok());
    ASSERT_TRUE(Define(7, 4).ok());
    ASSERT_TRUE(Define(8, 1).ok());
    ASSERT_TRUE(Define(9, 1).ok());
  }

  // Some seconds go by in which a segment and a bit are filled; then retention has its turn.
  void Pass() {
    const std::string body(100 << 10, '.');
    for (int i = 0; i < 42; ++i) ASSERT_TRUE(Send(kTraffic, body).ok());
    clock.Advance(absl::Seconds(11));
    ASSERT_TRUE(Send(kTraffic, body).ok());
    ASSERT_TRUE(store->EnforceRetention().ok());
  }
  static std::string Body(QueueKey queue, int i) {
    return std::to_string(queue.topic) + " " + std::to_string(i) + std::string(5000, '-');
  }
  void ExpectLive(QueueKey queue, QueueOffset first, QueueOffset end) {
    for (QueueOffset offset = first; offset < end; ++offset) {
      const auto entries = store->ReadEntries(queue, offset, 1);
      ASSERT_TRUE(entries.ok()) << offset << ": " << entries.status().message();
      ASSERT_EQ(entries->size(), 1u);
      const auto message = store->ReadMessage(queue, offset, entries->front());
      ASSERT_TRUE(message.ok()) << message.status().message();
      EXPECT_EQ(message->view.content, Body(queue, static_cast<int>(offset)));
      EXPECT_EQ(message->view.queue_offset, offset);
    }
  }
};

TEST_F(LongLivedTest, LiveMessagesOutliveTheirSegmentsAndEveryRestart) {
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(Send(kDelayed, Body(kDelayed, i), TestMachine::kLiveTag).ok());
    ASSERT_TRUE(Send(kLeased, Body(kLeased, i)).ok());
  }
  // As consumers lease: one here, one there.
  for (const QueueOffset offset : {0, 150, 151, 299}) {
    auto hold = std::make_unique<TestAppend>();
    TestMachine::AddHold(*hold, kLeased, offset);
    ASSERT_TRUE(SendAndWait(store.get(), std::move(hold)).ok());
  }
  for (int round = 0; round < 6; ++round) {
    const LogOffset min = store->cursors().min;
    Pass();
    EXPECT_GT(store->cursors().min, min) << "a segment goes in each round";
    if (round % 3 == 1) {
      ASSERT_TRUE(store->Close().ok());
      ASSERT_TRUE(Open().ok());
      EXPECT_FALSE(store->recovered().rebuilt);
    } else if (round % 3 == 2) {
      Drop();
      ASSERT_TRUE(checkpoint.Wipe().ok());
      ASSERT_TRUE(Open().ok());
      EXPECT_TRUE(store->recovered().rebuilt);
    }
    EXPECT_EQ(store->Range(kDelayed).min, 300u);
    EXPECT_EQ(store->Range(kDelayed).next, 300u);
    ExpectLive(kDelayed, 0, 300);
    for (const QueueOffset offset : {0, 150, 151, 299}) ExpectLive(kLeased, offset, offset + 1);
    EXPECT_TRUE(absl::IsOutOfRange(store->ReadEntries(kLeased, 1, 1).status()));
    EXPECT_EQ(store->CarriedEntries(kLeased, 0, 100).size(), 4u);
  }
  EXPECT_EQ(Send(kDelayed, "the next")->queue_offsets[0], 300u);
  // The log does not grow by what is carried: what stays is about a round's traffic and one carry.
  EXPECT_LT(store->cursors().appended - store->cursors().min, 4 * options.segment_bytes);
}

}  // namespace
}  // namespace mansio::store
