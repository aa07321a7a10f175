#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "tests/store/log/replication_testing.h"

// Disks that fail or are full. The rule: a failed write or flush is never repeated, the log stops
// and says why; a file that could not be made is neither, and the log goes on when there is room.
namespace mansio::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Operation = RecordingFileSystem::Operation;

constexpr QueueKey kQueue{1, 0};

// After the failure: nothing more is accepted, and every answer given before it holds.
void ExpectStopped(TestLog& log, std::string_view what) {
  EXPECT_EQ(log.Write("later").code(), absl::StatusCode::kUnavailable);
  const absl::Status health = log.log->Health();
  EXPECT_EQ(health.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(health.message()), HasSubstr("the commit log has stopped"));
  EXPECT_THAT(std::string(health.message()), HasSubstr(std::string(what)));
  EXPECT_FALSE(log.log->RunOnLogThread([] {}));
  EXPECT_FALSE(log.log->SyncAll().ok() && log.log->Stop().ok());
}

TEST(FailureTest, AFailedWriteStopsTheLog) {
  RecordingFileSystem files;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_TRUE(log.Write("good").ok());
    // Larger than what the preparer writes zeros with is not needed: the fault names one operation.
    files.Inject({.operation = Operation::kWrite, .path_contains = "0000"});
    const absl::Status status = log.Write("bad");
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    ExpectStopped(log, SegmentPath(0));
  }
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.Recovered().front(), "good");
}

TEST(FailureTest, AFailedFlushStopsTheLogAndIsNotRepeated) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  // The preparer flushes its zeros too: wait for a state in which it is done.
  ASSERT_TRUE(log.Write("good").ok());
  files.Inject({.operation = Operation::kDatasync, .sticky = true});
  auto outcome = std::make_shared<Outcome>();
  const absl::Status submitted = log.log->Submit(log.Note("bad", outcome));
  if (submitted.ok()) {
    EXPECT_EQ(outcome->Wait().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_EQ(log.observer.seen().size(), 1u);  // what was not flushed was not applied
  files.ClearFaults();
  ExpectStopped(log, SegmentPath(0));
  EXPECT_LT(log.log->cursors().synced, log.log->cursors().appended + 1);
}

TEST(FailureTest, ADiskThatDoesNotAnswerIsToldAndNothingHasFailed) {
  RecordingFileSystem files;
  StoreOptions options;
  options.disk_patience = absl::ZeroDuration();
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  ASSERT_TRUE(log.Write("before").ok());
  files.HoldSyncs(true);
  auto outcome = std::make_shared<Outcome>();
  ASSERT_TRUE(log.log->Submit(log.Note("waits", outcome)).ok());
  while (!outcome->appended()) std::this_thread::yield();
  const absl::Status health = log.log->Health();
  EXPECT_EQ(health.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(health.message()), HasSubstr("the disk of data/log has not answered"));
  files.HoldSyncs(false);
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  while (!log.log->Health().ok()) std::this_thread::yield();
  EXPECT_TRUE(log.Write("after").ok());
}

TEST(FailureTest, ASlavesDiskThatDoesNotAnswerIsToldToo) {
  RecordingFileSystem master_files;
  TestLog master(&master_files, MasterOptions(Durability::kReplicaSync));
  ASSERT_TRUE(master.Begin().ok());
  RecordingFileSystem files;
  StoreOptions options = SlaveOptions(Durability::kReplicaSync);
  options.disk_patience = absl::ZeroDuration();
  TestLog slave(&files, options);
  ASSERT_TRUE(slave.Begin().ok());
  files.HoldSyncs(true);
  const auto frames = master.log->replicated()->ReadFrames(0, 1 << 20);
  ASSERT_TRUE(frames.ok());
  auto outcome = std::make_shared<Outcome>();
  slave.log->replicated()->AppendFrames(
      std::string(frames->bytes.bytes),
      [outcome](const absl::Status& status) { outcome->Finish(status, {}); });
  while (slave.log->Health().ok()) std::this_thread::yield();
  EXPECT_EQ(slave.log->Health().code(), absl::StatusCode::kDeadlineExceeded);
  files.HoldSyncs(false);
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  while (!slave.log->Health().ok()) std::this_thread::yield();
}

// What was not flushed is still read, and a second flush says that all is well.
TEST(FailureTest, AStartAfterAFailedFlushWritesAgainWhatTheDiskMayLack) {
  RecordingFileSystem files;
  const std::string lost(20'000, 'x');  // of more pages than what is written next
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_TRUE(log.Write("good").ok());
    files.Inject({.operation = Operation::kDatasync, .sticky = true});
    ASSERT_FALSE(log.Write(lost).ok());
    files.ClearFaults();
  }
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    EXPECT_THAT(log.Recovered(), ElementsAre("good", lost));
  }
  files.Crash(RecordingFileSystem::CrashMode::kDropAll, 1);
  TestLog log(&files);
  ASSERT_EQ(log.Begin(), absl::OkStatus());
  EXPECT_THAT(log.Recovered(), ElementsAre("good", lost));
}

TEST(FailureTest, ASlaveCountsAsSyncedWhatAStartHasWrittenAgain) {
  RecordingFileSystem master_files;
  RecordingFileSystem files;
  TestLog master(&master_files, MasterOptions(Durability::kReplicaSync));
  ASSERT_TRUE(master.Begin().ok());
  {
    TestLog slave(&files, SlaveOptions(Durability::kReplicaSync));
    ASSERT_TRUE(slave.Begin().ok());
    files.Inject({.operation = Operation::kDatasync, .sticky = true, .path_contains = "0000"});
    ASSERT_FALSE(CatchUp(master, slave).ok());
    files.ClearFaults();
  }
  {
    TestLog slave(&files, SlaveOptions(Durability::kReplicaSync));
    ASSERT_TRUE(slave.Begin().ok());
    ASSERT_EQ(slave.log->cursors().synced, master.log->cursors().appended);
  }
  files.Crash(RecordingFileSystem::CrashMode::kDropAll, 1);
  TestLog slave(&files, SlaveOptions(Durability::kReplicaSync));
  ASSERT_TRUE(slave.Begin().ok());
  EXPECT_EQ(slave.log->cursors().appended, master.log->cursors().appended);
}

TEST(FailureTest, WhatWaitsWhenTheLogStopsIsFailed) {
  RecordingFileSystem files;
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  files.Inject({.operation = Operation::kDatasync, .sticky = true});
  std::vector<std::shared_ptr<Outcome>> outcomes;
  for (int i = 0; i < 100; ++i) {
    auto outcome = std::make_shared<Outcome>();
    if (log.log->Submit(log.Note("waits", outcome)).ok()) outcomes.push_back(outcome);
  }
  for (auto& outcome : outcomes) {
    EXPECT_EQ(outcome->Wait().code(), absl::StatusCode::kUnavailable);
  }
  EXPECT_FALSE(log.log->Stop().ok());
}

TEST(FailureTest, AFailedFlushInTheBackgroundStopsAsyncToo) {
  RecordingFileSystem files;
  StoreOptions options;
  options.durability = Durability::kAsync;
  options.flush_interval = absl::Milliseconds(1);
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  files.Inject({.operation = Operation::kDatasync, .sticky = true});
  while (log.Write("x").ok()) std::this_thread::yield();
  ExpectStopped(log, SegmentPath(0));
}

class FullDiskTest : public ::testing::TestWithParam<Durability> {};
INSTANTIATE_TEST_SUITE_P(Durabilities, FullDiskTest,
                         ::testing::Values(Durability::kAsync, Durability::kSync));

TEST_P(FullDiskTest, RefusesMessagesBeforeTheyAreWrittenAndGoesOnWhenThereIsSpace) {
  RecordingFileSystem files;
  StoreOptions options;
  options.durability = GetParam();
  options.flush_interval = absl::Hours(1);
  std::vector<std::string> answered;
  {
    TestLog log(&files, options);
    ASSERT_TRUE(log.Begin().ok());
    files.Inject({.operation = Operation::kAllocate, .sticky = true, .error_number = ENOSPC});
    absl::Status refusal;
    for (int i = 0; i < 100; ++i) {
      std::string text = std::to_string(i) + std::string(3000, 'm');
      refusal = log.Send(kQueue, text);
      if (!refusal.ok()) break;
      answered.push_back(std::move(text));
    }
    EXPECT_GT(answered.size(), 10u);
    EXPECT_LT(answered.size(), 22u);
    EXPECT_EQ(refusal.code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(refusal.message()), HasSubstr("the commit log cannot grow"));
    EXPECT_THAT(std::string(refusal.message()), HasSubstr("No space left"));
    const absl::Status health = log.log->Health();
    EXPECT_EQ(health.code(), absl::StatusCode::kResourceExhausted) << "nothing has failed";
    EXPECT_EQ(health.message(), refusal.message());
    // The end of the segment is kept for what is not a message: a TRIM may free space.
    EXPECT_TRUE(log.Write("trim").ok());
    answered.push_back("trim");
    EXPECT_FALSE(log.Send(kQueue, std::string(3000, 'n')).ok());

    files.ClearFaults();
    while (!log.Send(kQueue, "after").ok()) std::this_thread::yield();
    answered.push_back("after");
    EXPECT_TRUE(log.log->Health().ok());
    for (int i = 0; i < 40; ++i) {
      answered.push_back(std::to_string(i) + std::string(3000, 'k'));
      ASSERT_TRUE(log.Send(kQueue, answered.back()).ok());
    }
    ASSERT_TRUE(log.log->Stop().ok());
  }
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.Recovered(), answered);
}

// A note that submits another one when it is told that it failed.
class Chained final : public Append {
 public:
  Chained(TestLog& log, std::string_view text, std::shared_ptr<Outcome> failed,
          std::shared_ptr<Outcome> next)
      : log_(log), failed_(std::move(failed)), next_(std::move(next)) {
    AddRecord(kNote, text);
  }
  void Applied(const AppendResult&) override { FAIL() << "there was no room for it"; }
  void Failed(const absl::Status& status) override {
    EXPECT_TRUE(log_.log->Submit(log_.Note("next", next_)).ok());
    failed_->Finish(status, {});
  }

 private:
  TestLog& log_;
  const std::shared_ptr<Outcome> failed_;
  const std::shared_ptr<Outcome> next_;
};

TEST_P(FullDiskTest, NothingPassesARefusedDecisionBeforeItsRefusalIsTold) {
  RecordingFileSystem files;
  StoreOptions options;
  options.durability = GetParam();
  options.flush_interval = absl::Hours(1);
  TestLog log(&files, options);
  ASSERT_TRUE(log.Begin().ok());
  files.Inject({.operation = Operation::kAllocate, .sticky = true, .error_number = ENOSPC});
  const std::string large(3000, 'n');
  while (log.Write(large).ok()) {
  }

  // The log thread finds all three at once; the second and third would have room.
  absl::Notification held;
  absl::Notification go_on;
  ASSERT_TRUE(log.log->RunOnLogThread([&] {
    held.Notify();
    go_on.WaitForNotification();
  }));
  held.WaitForNotification();
  const auto refused = std::make_shared<Outcome>();
  const auto behind = std::make_shared<Outcome>();
  const auto next = std::make_shared<Outcome>();
  ASSERT_TRUE(log.log->Submit(std::make_unique<Chained>(log, large, refused, next)).ok());
  ASSERT_TRUE(log.log->Submit(log.Note("behind", behind)).ok());
  go_on.Notify();
  EXPECT_EQ(refused->Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(behind->Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(next->Wait().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(log.Write("after").ok());
  EXPECT_EQ(log.observer.seen().back().text, "after");
}

// Of a master whose commits wait for members.
class FailureOfWaitingTest : public ::testing::Test {
 protected:
  FailureOfWaitingTest() : log_(&files_, MasterOptions(Durability::kReplica)) {
    EXPECT_TRUE(log_.Begin().ok());
    EXPECT_TRUE(log_.log->Submit(log_.Note("waits", waiting_)).ok());
    log_.Settle();
    files_.Inject({.operation = Operation::kDatasync, .sticky = true});
  }

  RecordingFileSystem files_;
  TestLog log_;
  const std::shared_ptr<Outcome> waiting_ = std::make_shared<Outcome>();
};

TEST_F(FailureOfWaitingTest, AFlushThatFailsOnAnotherThreadAnswersIt) {
  EXPECT_TRUE(absl::IsUnavailable(log_.log->SyncAll()));
  EXPECT_TRUE(absl::IsUnavailable(waiting_->Wait()));
  ExpectStopped(log_, SegmentPath(0));
}

TEST_F(FailureOfWaitingTest, WhatIsTakenMeanwhileDoesNotWaitEither) {
  absl::Notification held;
  absl::Notification go_on;
  ASSERT_TRUE(log_.log->RunOnLogThread([&] {
    held.Notify();
    go_on.WaitForNotification();
  }));
  held.WaitForNotification();
  const auto behind = std::make_shared<Outcome>();
  ASSERT_TRUE(log_.log->Submit(log_.Note("behind", behind)).ok());
  EXPECT_FALSE(log_.log->SyncAll().ok());
  go_on.Notify();
  log_.log->replicated()->StopCommits();
  EXPECT_TRUE(absl::IsUnavailable(waiting_->Wait()));
  EXPECT_TRUE(absl::IsUnavailable(behind->Wait()));
}

TEST(FailureTest, AFullDiskAtTheFirstStartIsASentence) {
  RecordingFileSystem files;
  files.LimitSpace(4096);
  TestLog log(&files);
  const absl::Status status = log.Begin();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(SegmentPath(0)));
}

TEST(FailureTest, UnreadableFilesAreAnErrorNotATornTail) {
  RecordingFileSystem files;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_TRUE(log.Write("here").ok());
  }
  files.Inject({.operation = Operation::kRead, .sticky = true});
  {
    TestLog log(&files);
    EXPECT_EQ(log.Recover().code(), absl::StatusCode::kInternal);
  }
  files.ClearFaults();
  TestLog log(&files);
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.Recovered().size(), 1u);
}

}  // namespace
}  // namespace mansio::store::testing
