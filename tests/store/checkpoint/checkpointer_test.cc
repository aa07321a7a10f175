#include "store/checkpoint/checkpointer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/checkpoint/memory_store.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;

// What happened, in order, whoever did it.
class Journal {
 public:
  void Add(std::string what) {
    const MutexLock lock(&mutex_);
    lines_.push_back(std::move(what));
    changed_.SignalAll();
  }
  std::vector<std::string> Take() {
    const MutexLock lock(&mutex_);
    return std::exchange(lines_, {});
  }
  void WaitFor(const std::string& what) {
    const MutexLock lock(&mutex_);
    while (std::find(lines_.begin(), lines_.end(), what) == lines_.end()) changed_.Wait(&mutex_);
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> lines_ ABSL_GUARDED_BY(mutex_);
};

// A log that runs jobs on the calling thread.
class FakeLog : public CommitLog {
 public:
  ReplicatedLog* replicated() override { return nullptr; }
  std::optional<LogOffset> cut_at_open() const override { return std::nullopt; }
  explicit FakeLog(Journal* journal) : journal_(journal) {}

  bool RunOnLogThread(absl::AnyInvocable<void()> job) override {
    if (stopped) return false;
    job();
    return true;
  }
  absl::Status SyncAll() override {
    journal_->Add("sync");
    return sync_status;
  }
  Cursors cursors() const override { return now; }
  void SetCheckpointed(LogOffset offset) override {
    journal_->Add("checkpointed " + std::to_string(offset));
  }

  LogOffset First() const override { return 0; }
  absl::StatusOr<RecoveryReport> Recover(
      const RecoveryStart&, absl::FunctionRef<absl::Status(const RecordView&, uint32_t)>,
      absl::FunctionRef<void(LogOffset, LogOffset)>) override {
    return RecoveryReport();
  }
  absl::Status Start(LogObserver*) override { return absl::OkStatus(); }
  absl::Status Submit(std::unique_ptr<Append>) override { return absl::OkStatus(); }
  Epoch epoch() const override { return 3; }
  absl::Status Health() const override { return absl::OkStatus(); }
  uint64_t uncommitted() const override { return 0; }
  std::optional<LogBytes> HotBytes(LogOffset, uint32_t) const override { return std::nullopt; }
  absl::StatusOr<LogBytes> ReadBytes(LogOffset, uint32_t) override { return LogBytes(); }
  std::vector<SegmentInfo> Segments() const override { return {}; }
  absl::Status DropBelow(LogOffset) override { return absl::OkStatus(); }
  absl::Status Stop() override { return absl::OkStatus(); }

  Cursors now;
  bool stopped = false;
  absl::Status sync_status;

 private:
  Journal* const journal_;
};

class FakeSource : public CheckpointSource {
 public:
  FakeSource(Journal* journal, FakeLog* log) : journal_(journal), log_(log) {}

  CheckpointMeta Capture(KeyValueBatch& batch) override {
    journal_->Add("capture");
    const std::string value = std::to_string(++captures_);
    batch.Put("only in capture " + value, value);
    CheckpointMeta meta;
    meta.offset = log_->now.applied;
    return meta;
  }
  absl::Status Complete(KeyValueBatch& batch) override {
    journal_->Add("complete");
    batch.Put("completed", std::to_string(captures_));
    return absl::OkStatus();
  }
  void Written(const CheckpointMeta&) override { journal_->Add("written"); }
  void Failed() override { journal_->Add("failed"); }

 private:
  Journal* const journal_;
  FakeLog* const log_;
  int captures_ = 0;
};

class JournalStore : public MemoryStore {
 public:
  explicit JournalStore(Journal* journal) : journal_(journal) {}
  absl::Status Write(const KeyValueBatch& batch) override {
    journal_->Add("write");
    return status.ok() ? MemoryStore::Write(batch) : status;
  }
  absl::Status status;

 private:
  Journal* const journal_;
};

class CheckpointerTest : public ::testing::Test {
 protected:
  Checkpointer::Options Options(uint64_t bytes) {
    Checkpointer::Options options;
    options.bytes = bytes;
    return options;
  }
  Journal journal_;
  FakeLog log_{&journal_};
  FakeSource source_{&journal_, &log_};
  JournalStore store_{&journal_};
};

TEST_F(CheckpointerTest, TheLogIsSyncedBetweenCaptureAndWrite) {
  log_.now.applied = 500;
  log_.now.synced = 700;
  log_.now.committed = 900;
  Checkpointer checkpointer(&log_, &store_, &source_, 0, Options(1 << 20));
  ASSERT_TRUE(checkpointer.Run().ok());
  EXPECT_THAT(journal_.Take(),
              ElementsAre("capture", "sync", "complete", "write", "written", "checkpointed 500"));
  const CheckpointMeta meta = *DecodeMeta(**store_.Get(kMetaKey));
  EXPECT_EQ(meta.offset, 500u);
  EXPECT_EQ(meta.synced, 700u);
}

TEST_F(CheckpointerTest, WhatIsNotCommittedIsNotClaimedAsSynced) {
  log_.now.applied = 500;
  log_.now.committed = 600;
  log_.now.synced = 700;
  Checkpointer checkpointer(&log_, &store_, &source_, 0, Options(1 << 20));
  ASSERT_TRUE(checkpointer.Run().ok());
  EXPECT_EQ(DecodeMeta(**store_.Get(kMetaKey))->synced, 600u);
}

TEST_F(CheckpointerTest, AFailedSyncWritesNothing) {
  log_.sync_status = absl::InternalError("disk");
  Checkpointer checkpointer(&log_, &store_, &source_, 0, Options(1 << 20));
  EXPECT_FALSE(checkpointer.Run().ok());
  EXPECT_THAT(journal_.Take(), ElementsAre("capture", "sync", "failed"));
}

TEST_F(CheckpointerTest, WhatAFailedOneCapturedComesWithTheNext) {
  Checkpointer checkpointer(&log_, &store_, &source_, 0, Options(1 << 20));
  store_.status = absl::ResourceExhaustedError("full");
  EXPECT_FALSE(checkpointer.Run().ok());
  EXPECT_THAT(journal_.Take(), ElementsAre("capture", "sync", "complete", "write", "failed"));
  store_.status = absl::OkStatus();
  ASSERT_TRUE(checkpointer.Run().ok());
  EXPECT_EQ(**store_.Get("only in capture 1"), "1");
  EXPECT_EQ(**store_.Get("only in capture 2"), "2");
  ASSERT_TRUE(checkpointer.Run().ok());
  EXPECT_EQ(**store_.Get("completed"), "3");
}

TEST_F(CheckpointerTest, AStoppedLogIsAnError) {
  log_.stopped = true;
  Checkpointer checkpointer(&log_, &store_, &source_, 0, Options(1 << 20));
  EXPECT_TRUE(absl::IsUnavailable(checkpointer.Run()));
}

TEST_F(CheckpointerTest, IsDueAfterSoMuchLog) {
  Checkpointer checkpointer(&log_, &store_, &source_, 1000, Options(100));
  checkpointer.Start();
  checkpointer.Applied(1099, false);
  log_.now.applied = 1100;
  checkpointer.Applied(1100, false);
  journal_.WaitFor("checkpointed 1100");
  checkpointer.Stop();
  EXPECT_EQ(journal_.Take().size(), 6u) << "one checkpoint, not two";
}

TEST_F(CheckpointerTest, IsDueAtOnceWhenUrgent) {
  Checkpointer checkpointer(&log_, &store_, &source_, 1000, Options(1 << 20));
  checkpointer.Start();
  log_.now.applied = 1001;
  checkpointer.Applied(1001, true);
  journal_.WaitFor("checkpointed 1001");
}

TEST_F(CheckpointerTest, AnIdleLogIsSavedAfterAPeriod) {
  log_.now.applied = 2000;
  Checkpointer::Options options = Options(1 << 20);
  options.period = absl::Milliseconds(1);
  options.periodic = [this] { journal_.Add("periodic"); };
  Checkpointer checkpointer(&log_, &store_, &source_, 1000, std::move(options));
  checkpointer.Start();
  journal_.WaitFor("checkpointed 2000");
  journal_.WaitFor("periodic");
  checkpointer.Stop();
}

TEST_F(CheckpointerTest, AnotherPeriodCountsAtOnce) {
  Checkpointer::Options options = Options(1 << 20);
  options.period = absl::Hours(10);
  options.periodic = [this] { journal_.Add("periodic"); };
  Checkpointer checkpointer(&log_, &store_, &source_, 1000, std::move(options));
  checkpointer.Start();
  checkpointer.SetPeriod(absl::Milliseconds(1));
  journal_.WaitFor("periodic");
  checkpointer.Stop();
}

}  // namespace
}  // namespace mansio::store
