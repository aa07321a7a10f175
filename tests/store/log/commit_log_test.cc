#include "store/log/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/synchronization/notification.h"
#include "store/log/frame.h"
#include "tests/store/log/log_testing.h"

namespace mansio::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr QueueKey kQueue{7, 3};

StoreOptions Async() {
  StoreOptions options;
  options.durability = Durability::kAsync;
  options.flush_interval = absl::Hours(1);
  return options;
}

TEST(CommitLogTest, WhatWasAppliedIsRecoveredInOrder) {
  RecordingFileSystem files;
  std::vector<Seen> applied;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    EXPECT_EQ(log.log->epoch(), 1u);
    ASSERT_TRUE(log.Write("a note").ok());
    EXPECT_EQ(log.last.epoch, 1u);
    EXPECT_THAT(log.last.queue_offsets, IsEmpty());
    ASSERT_TRUE(log.Send(kQueue, "first").ok());
    EXPECT_THAT(log.last.queue_offsets, ElementsAre(0u));
    ASSERT_TRUE(log.Send(kQueue, "second").ok());
    EXPECT_THAT(log.last.queue_offsets, ElementsAre(1u));
    applied = log.observer.seen();
    const Cursors cursors = log.log->cursors();
    EXPECT_EQ(cursors.applied, cursors.appended);
    EXPECT_EQ(cursors.synced, cursors.appended);
    ASSERT_TRUE(log.log->Stop().ok());
  }
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.log->epoch(), 2u);
  EXPECT_EQ(log.report.cut_bytes, 0u);
  ASSERT_EQ(log.recovered.size(), applied.size());
  for (size_t i = 0; i < applied.size(); ++i) {
    EXPECT_EQ(log.recovered[i].kind, applied[i].kind);
    EXPECT_EQ(log.recovered[i].position, applied[i].position);
    EXPECT_EQ(log.recovered[i].store_time, applied[i].store_time);
    EXPECT_EQ(log.recovered[i].text, applied[i].text);
    EXPECT_EQ(log.recovered[i].queue, applied[i].queue);
    EXPECT_EQ(log.recovered[i].queue_offset, applied[i].queue_offset);
    EXPECT_EQ(log.recovered[i].tag_hash, applied[i].tag_hash);
    EXPECT_EQ(log.recovered[i].bytes, applied[i].bytes);
  }
  ASSERT_TRUE(log.Send(kQueue, "third").ok());
  EXPECT_THAT(log.last.queue_offsets, ElementsAre(2u));
}

TEST(CommitLogTest, SyncAnswersAppendedBeforeTheFlushAndAppliedAfterIt) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_TRUE(log.Write("x").ok());
  ASSERT_TRUE(log.log->Stop().ok());
  EXPECT_THAT(log.observer.events(),
              ElementsAre("begin", "appended x", "end", "begin", "apply x", "applied x", "end"));
}

TEST(CommitLogTest, AsyncAnswersInOneScopeAndFlushesWhenAsked) {
  RecordingFileSystem files;
  TestLog log(&files, Async());
  ASSERT_TRUE(log.Begin().ok());
  const LogOffset start = log.log->cursors().synced;
  ASSERT_TRUE(log.Write("x").ok());
  EXPECT_EQ(log.log->cursors().synced, start);
  EXPECT_GT(log.log->cursors().committed, start);
  ASSERT_TRUE(log.log->SyncAll().ok());
  EXPECT_EQ(log.log->cursors().synced, log.log->cursors().appended);
  ASSERT_TRUE(log.log->Stop().ok());
  EXPECT_THAT(log.observer.events(),
              ElementsAre("begin", "appended x", "apply x", "applied x", "end"));
}

TEST(CommitLogTest, AsyncFlushesByItselfAfterTheInterval) {
  RecordingFileSystem files;
  StoreOptions options = Async();
  options.flush_interval = absl::Milliseconds(1);
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_TRUE(log.Write("x").ok());
  while (log.log->cursors().synced < log.log->cursors().appended) std::this_thread::yield();
}

TEST(CommitLogTest, SmallRecordsQueuedTogetherShareAFrameInOrder) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  std::vector<std::shared_ptr<Outcome>> outcomes;
  // Submitted while the log thread is busy with the job, so that they make one batch.
  auto submitted = std::make_shared<Outcome>();
  ASSERT_TRUE(log.log->RunOnLogThread([&] {
    for (const char* text : {"one", "two", "message", "three", "four"}) {
      outcomes.push_back(std::make_shared<Outcome>());
      const bool note = std::string(text) != "message";
      ASSERT_TRUE(log.log
                      ->Submit(note ? log.Note(text, outcomes.back())
                                    : log.Message(kQueue, text, outcomes.back()))
                      .ok());
    }
    submitted->Finish(absl::OkStatus(), {});
  }));
  ASSERT_TRUE(submitted->Wait().ok());
  ASSERT_TRUE(log.log->Stop().ok());
  ASSERT_EQ(outcomes.size(), 5u);
  for (auto& outcome : outcomes) ASSERT_TRUE(outcome->Wait().ok());
  EXPECT_EQ(outcomes[0]->result().frame, outcomes[1]->result().frame);
  EXPECT_LT(outcomes[1]->result().frame, outcomes[2]->result().frame);
  EXPECT_LT(outcomes[2]->result().frame, outcomes[3]->result().frame);
  EXPECT_EQ(outcomes[3]->result().frame, outcomes[4]->result().frame);
  std::vector<std::string> order;
  for (const Seen& seen : log.observer.seen()) order.push_back(seen.text);
  EXPECT_THAT(order, ElementsAre("one", "two", "message", "three", "four"));
}

TEST(CommitLogTest, RecordsAreReadHotAndCold) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_TRUE(log.Send(kQueue, std::string(1000, 'm')).ok());
  const Seen seen = log.observer.seen().at(0);
  auto hot = log.log->HotBytes(seen.position.offset, seen.bytes);
  ASSERT_TRUE(hot.has_value());
  auto cold = log.log->ReadBytes(seen.position.offset, seen.bytes);
  ASSERT_TRUE(cold.ok()) << cold.status();
  EXPECT_EQ(hot->bytes, cold->bytes);
  auto message = CommitLog::DecodeMessage(kQueue, 0, *cold);
  ASSERT_TRUE(message.ok()) << message.status();
  EXPECT_EQ(message->view.content, std::string(1000, 'm'));
  EXPECT_EQ(message->view.tag_hash, 77u);
  EXPECT_EQ(message->view.store_time, 1234);

  EXPECT_EQ(CommitLog::DecodeMessage({7, 4}, 0, *cold).status().code(),
            absl::StatusCode::kDataLoss);
  std::string flipped(cold->bytes);
  for (size_t i = 0; i < flipped.size(); i += 7) {
    flipped[i] ^= 0x10;
    EXPECT_FALSE(CommitLog::DecodeMessage(kQueue, 0, {nullptr, flipped}).ok()) << i;
    flipped[i] ^= 0x10;
  }
  EXPECT_TRUE(CommitLog::DecodeMessage(kQueue, 0, {nullptr, flipped}).ok());
}

TEST(CommitLogTest, SeveralMessagesOfOneAppendAreOneFrame) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  auto outcome = std::make_shared<Outcome>();
  auto append = std::make_unique<TestAppend>(outcome, &log.observer, "batch");
  append->AddMessage({1, 0}, 0, 1, "a");
  append->AddRecord(kNote, "between");
  append->AddMessage({1, 1}, 0, 1, "b");
  append->AddMessage({1, 0}, 0, 1, "");
  ASSERT_TRUE(log.log->Submit(std::move(append)).ok());
  ASSERT_TRUE(outcome->Wait().ok());
  EXPECT_THAT(outcome->result().queue_offsets, ElementsAre(0u, 0u, 1u));
  EXPECT_EQ(outcome->result().records.size(), 4u);
  const auto seen = log.observer.seen();
  ASSERT_EQ(seen.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(seen[i].position.offset, outcome->result().records[i]);
  }
  EXPECT_EQ(seen[3].queue_offset, 1u);
}

class RollTest : public ::testing::TestWithParam<Durability> {
 protected:
  StoreOptions Options() const {
    StoreOptions options;
    options.durability = GetParam();
    options.flush_interval = absl::Hours(1);
    options.tail_cache_bytes = 32 << 10;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Durabilities, RollTest,
                         ::testing::Values(Durability::kAsync, Durability::kSync));

TEST_P(RollTest, FramesNeverCrossASegment) {
  RecordingFileSystem files;
  std::vector<std::pair<LogOffset, LogOffset>> ended;
  std::vector<std::string> written;
  {
    TestLog log(&files, Options());
    ASSERT_TRUE(log.Begin().ok());
    for (int i = 0; i < 200; ++i) {
      // All lengths modulo the alignment, and all sizes of gap at a segment's end.
      written.push_back(std::string(1500 + 37 * (i % 40), static_cast<char>('a' + i % 26)));
      ASSERT_TRUE(log.Write(written.back()).ok());
      const LogOffset frame = log.last.frame;
      EXPECT_EQ(frame % kFrameAlignment, 0u);
      EXPECT_EQ(frame / kSegment, (log.last.records[0] + written.back().size()) / kSegment);
    }
    ended = log.observer.ended();
    ASSERT_GT(ended.size(), 4u);
    for (size_t i = 0; i < ended.size(); ++i) {
      EXPECT_EQ(ended[i], std::make_pair(i * kSegment, (i + 1) * kSegment));
    }
    const auto segments = log.log->Segments();
    ASSERT_EQ(segments.size(), ended.size() + 1);
    EXPECT_TRUE(segments.back().active);
    EXPECT_EQ(segments.back().next, log.log->cursors().appended);
    EXPECT_GT(segments.front().last_store_time, 0);
    ASSERT_TRUE(log.log->Stop().ok());
  }
  TestLog log(&files, Options());
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.Recovered(), written);
  EXPECT_EQ(log.recovered_ends, ended);
}

TEST_P(RollTest, AFrameThatExactlyFillsTheSegmentNeedsNoFiller) {
  for (const size_t left : {0, 8, 56, 64, 72}) {
    SCOPED_TRACE(left);
    RecordingFileSystem files;
    {
      TestLog log(&files, Options());
      ASSERT_TRUE(log.Begin().ok());
      // EPOCH frame, frame header, record header of 1 + 3 bytes.
      const size_t body = kSegment - left - kFrameHeaderBytes - kFrameHeaderBytes - 4;
      ASSERT_TRUE(log.Write(std::string(body, 'x')).ok());
      EXPECT_EQ(log.log->cursors().appended, kSegment - left);
      ASSERT_TRUE(log.Write("next").ok());
      EXPECT_EQ(log.last.frame, left == 72 ? kSegment - 72 : kSegment);
    }
    TestLog log(&files, Options());
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_EQ(log.recovered.size(), 2u);
    EXPECT_EQ(log.recovered[1].text, "next");
    EXPECT_EQ(log.log->epoch(), 2u);
  }
}

TEST_P(RollTest, AStartAtTheVeryEndOfASegmentGoesOnInTheNext) {
  RecordingFileSystem files;
  {
    TestLog log(&files, Options());
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_TRUE(log.Write(std::string(kSegment - 2 * kFrameHeaderBytes - 4, 'x')).ok());
  }
  TestLog log(&files, Options());
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.report.end, kSegment);
  EXPECT_THAT(log.recovered_ends, ElementsAre(std::make_pair(0u, kSegment)));
  ASSERT_TRUE(log.Write("more").ok());
  EXPECT_EQ(log.last.frame, kSegment + kFrameHeaderBytes);
}

TEST_P(RollTest, DroppedSegmentsAreGoneAndReadsSaySo) {
  RecordingFileSystem files;
  TestLog log(&files, Options());
  ASSERT_TRUE(log.Begin().ok());
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(log.Write(std::string(8000, 'd')).ok());
  const Seen oldest = log.observer.seen().front();
  ASSERT_TRUE(log.log->ReadBytes(oldest.position.offset, oldest.bytes).ok());
  ASSERT_TRUE(log.log->DropBelow(3 * kSegment).ok());
  EXPECT_EQ(log.log->cursors().min, 3 * kSegment);
  EXPECT_EQ(log.log->First(), 3 * kSegment);
  EXPECT_EQ(log.log->ReadBytes(oldest.position.offset, oldest.bytes).status().code(),
            absl::StatusCode::kNotFound);
  // A reused file must not show its old content as part of the log.
  std::vector<std::string> written;
  for (int i = 0; i < 30; ++i) {
    written.push_back(std::string(7000 + i, 'n'));
    ASSERT_TRUE(log.Write(written.back()).ok());
  }
  ASSERT_TRUE(log.log->Stop().ok());
  TestLog again(&files, Options());
  ASSERT_TRUE(again.Begin().ok());
  EXPECT_EQ(again.report.cut_bytes, 0u);
  ASSERT_GE(again.recovered.size(), written.size());
  EXPECT_GE(again.recovered.front().position.offset, 3 * kSegment);
  const auto texts = again.Recovered();
  EXPECT_TRUE(std::equal(written.begin(), written.end(), texts.end() - written.size()));
}

TEST(CommitLogTest, TheActiveSegmentIsNeverDropped) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_TRUE(log.Write("keep").ok());
  ASSERT_TRUE(log.log->DropBelow(10 * kSegment).ok());
  EXPECT_EQ(log.log->First(), 0u);
  ASSERT_TRUE(log.Write("keep too").ok());
}

TEST(CommitLogTest, LimitsAreRefusedWithASentence) {
  RecordingFileSystem files;
  StoreOptions options;
  options.max_uncommitted_bytes = 10'000;
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  auto outcome = std::make_shared<Outcome>();

  absl::Status status = log.log->Submit(log.Note(std::string(10'001, 'x'), outcome));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit of 10000"));

  status = log.log->Submit(log.Note(std::string(kSegment, 'x'), outcome));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("65536"));

  auto empty = std::make_unique<TestAppend>(outcome, &log.observer, "empty");
  EXPECT_EQ(log.log->Submit(std::move(empty)).code(), absl::StatusCode::kInvalidArgument);

  auto many = std::make_unique<TestAppend>(outcome, &log.observer, "many");
  for (int i = 0; i < 1025; ++i) many->AddMessage(kQueue, 0, 0, "");
  EXPECT_EQ(log.log->Submit(std::move(many)).code(), absl::StatusCode::kInvalidArgument);

  auto open = std::make_unique<TestAppend>(outcome, &log.observer, "open");
  open->BeginMessage(kQueue, 0, 0, 4);
  EXPECT_EQ(log.log->Submit(std::move(open)).code(), absl::StatusCode::kInvalidArgument);

  // Refused ones count no longer.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(log.Write(std::string(9'000, 'y')).ok());
  EXPECT_THAT(log.observer.seen(), ::testing::SizeIs(5));
}

TEST(CommitLogTest, UncommittedBytesAreBounded) {
  RecordingFileSystem files;
  StoreOptions options;
  options.max_uncommitted_bytes = 10'000;
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  int accepted = 0;
  // The log thread stands still while the appends gather. What was there before is written already.
  absl::Notification stands, go_on;
  ASSERT_TRUE(log.log->RunOnLogThread([&] {
    stands.Notify();
    go_on.WaitForNotification();
  }));
  stands.WaitForNotification();
  std::vector<std::shared_ptr<Outcome>> outcomes;
  absl::Status refusal;
  for (int i = 0; i < 20 && refusal.ok(); ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    refusal = log.log->Submit(log.Note(std::string(997, 'z'), outcomes.back()));
    if (refusal.ok()) ++accepted;
  }
  EXPECT_EQ(accepted, 10);
  EXPECT_EQ(refusal.code(), absl::StatusCode::kResourceExhausted);
  go_on.Notify();
  for (int i = 0; i < accepted; ++i) EXPECT_TRUE(outcomes[i]->Wait().ok());
  EXPECT_TRUE(log.Write("again").ok());
}

TEST(CommitLogTest, NothingIsAcceptedAfterStop) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 100; ++i) {
    outcomes.push_back(std::make_shared<Outcome>());
    ASSERT_TRUE(log.log->Submit(log.Note("n", outcomes.back())).ok());
  }
  ASSERT_TRUE(log.log->Stop().ok());
  for (auto& outcome : outcomes) EXPECT_TRUE(outcome->Wait().ok());  // accepted is finished
  EXPECT_EQ(log.Write("late").code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(log.log->RunOnLogThread([] { FAIL(); }));
  EXPECT_TRUE(log.log->Stop().ok());
}

TEST(CommitLogTest, JobsSeeExactlyWhatWasApplied) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  auto outcome = std::make_shared<Outcome>();
  ASSERT_TRUE(log.log->Submit(log.Note("before", outcome)).ok());
  ASSERT_TRUE(outcome->Wait().ok());
  Mutex mutex;
  bool ran = false;
  ASSERT_TRUE(log.log->RunOnLogThread([&] {
    const Cursors cursors = log.log->cursors();
    EXPECT_EQ(cursors.applied, cursors.appended);
    EXPECT_EQ(log.observer.seen().size(), 1u);
    EXPECT_TRUE(log.log->SyncAll().ok());  // must not wait for itself
    MutexLock lock(&mutex);
    ran = true;
  }));
  ASSERT_TRUE(log.log->Stop().ok());
  MutexLock lock(&mutex);
  EXPECT_TRUE(ran);
}

TEST(CommitLogTest, StoreTimeNeverFalls) {
  RecordingFileSystem files;
  StoreTime last = 0;
  {
    TestLog log(&files);
    log.clock.Advance(absl::Hours(5));
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_TRUE(log.Write("late").ok());
    last = log.observer.seen().back().store_time;
  }
  TestLog log(&files);  // its clock is five hours behind
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.report.last_store_time, last);
  ASSERT_TRUE(log.Write("early").ok());
  EXPECT_GE(log.observer.seen().back().store_time, last);
}

TEST(CommitLogTest, ManySubmittersKeepTheirOwnOrder) {
  RecordingFileSystem files;
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    std::vector<std::vector<std::shared_ptr<Outcome>>> outcomes(kThreads);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          outcomes[t].push_back(std::make_shared<Outcome>());
          const QueueKey queue{1, static_cast<uint32_t>(t)};
          EXPECT_TRUE(
              log.log->Submit(log.Message(queue, std::to_string(i), outcomes[t].back())).ok());
        }
      });
    }
    for (auto& thread : threads) thread.join();
    for (int t = 0; t < kThreads; ++t) {
      for (int i = 0; i < kEach; ++i) {
        ASSERT_TRUE(outcomes[t][i]->Wait().ok());
        EXPECT_EQ(outcomes[t][i]->result().queue_offsets[0], static_cast<QueueOffset>(i));
      }
    }
  }
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_EQ(log.recovered.size(), static_cast<size_t>(kThreads * kEach));
  for (const Seen& seen : log.recovered) EXPECT_EQ(seen.text, std::to_string(seen.queue_offset));
}

TEST(CommitLogTest, ASegmentSizeThatCannotWorkIsRefused) {
  RecordingFileSystem files;
  StoreOptions options;
  options.segment_bytes = 100'000;
  TestLog log(&files, options);
  EXPECT_EQ(log.Begin().code(), absl::StatusCode::kInvalidArgument);
}

TEST(CommitLogTest, AnotherSegmentSizeAppliesToNewSegments) {
  RecordingFileSystem files;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.Write(std::string(5000, 's')).ok());
  }
  StoreOptions options;
  options.segment_bytes = 4 * kSegment;
  {
    TestLog log(&files, options);
    ASSERT_TRUE(log.Begin().ok());
    EXPECT_EQ(log.recovered.size(), 20u);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(log.Write(std::string(50'000, 'l')).ok());
    ASSERT_TRUE(log.Write(std::string(3 * kSegment, 'x')).ok());
  }
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.recovered.size(), 41u);
}

}  // namespace
}  // namespace mansio::store::testing
