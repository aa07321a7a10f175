#ifndef MANSIO_TESTS_STORE_LOG_LOG_TESTING_H_
#define MANSIO_TESTS_STORE_LOG_LOG_TESTING_H_

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock/broker_time.h"
#include "common/clock/clock.h"
#include "common/files/recording_file_system.h"
#include "common/sync/sync.h"
#include "store/log/commit_log.h"

// A commit log in memory for tests: what was applied, what became of each append.
namespace mansio::store::testing {

inline constexpr RecordKind kNote = 20;  // any kind that is not the store's
inline constexpr uint64_t kSegment = 64 << 10;

// A record as a fold saw it.
struct Seen {
  RecordKind kind = 0;
  LogPosition position;
  StoreTime store_time = 0;
  std::string text;  // the body, or a message's content
  QueueKey queue;
  QueueOffset queue_offset = 0;
  uint64_t tag_hash = 0;
  uint32_t bytes = 0;
};

inline Seen ToSeen(const RecordView& record, uint32_t bytes) {
  Seen seen{.kind = record.kind,
            .position = record.position,
            .store_time = record.store_time,
            .text = std::string(record.body),
            .bytes = bytes};
  if (record.message != nullptr) {
    seen.text = std::string(record.message->content);
    seen.queue = record.message->queue;
    seen.queue_offset = record.message->queue_offset;
    seen.tag_hash = record.message->tag_hash;
  }
  return seen;
}

class Observer final : public LogObserver {
 public:
  QueueOffset AssignOffset(QueueKey queue) override { return next_[queue]++; }
  void BatchBegin() override { Event("begin"); }
  void Apply(const RecordView& record, uint32_t record_bytes) override {
    MutexLock lock(&mutex_);
    seen_.push_back(ToSeen(record, record_bytes));
    events_.push_back("apply " + seen_.back().text);
  }
  void BatchEnd() override { Event("end"); }
  void SegmentEnded(LogOffset first, LogOffset next) override {
    MutexLock lock(&mutex_);
    ended_.emplace_back(first, next);
  }

  void Event(std::string text) {
    MutexLock lock(&mutex_);
    events_.push_back(std::move(text));
  }
  std::vector<Seen> seen() {
    MutexLock lock(&mutex_);
    return seen_;
  }
  std::vector<std::string> events() {
    MutexLock lock(&mutex_);
    return events_;
  }
  std::vector<std::pair<LogOffset, LogOffset>> ended() {
    MutexLock lock(&mutex_);
    return ended_;
  }
  // Recovery found this message: its queue goes on behind it.
  void Recovered(const Seen& seen) {
    if (seen.kind == kMessageRecord) next_[seen.queue] = seen.queue_offset + 1;
  }

 private:
  std::map<QueueKey, QueueOffset> next_;
  Mutex mutex_;
  std::vector<Seen> seen_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<LogOffset, LogOffset>> ended_ ABSL_GUARDED_BY(mutex_);
};

// What became of one append; outlives it.
class Outcome {
 public:
  absl::Status Wait() {
    MutexLock lock(&mutex_);
    while (!done_) changed_.Wait(&mutex_);
    return status_;
  }
  bool appended() {
    MutexLock lock(&mutex_);
    return appended_;
  }
  AppendResult result() {
    MutexLock lock(&mutex_);
    return result_;
  }
  void SetAppended() {
    MutexLock lock(&mutex_);
    appended_ = true;
  }
  void Finish(const absl::Status& status, const AppendResult& result) {
    MutexLock lock(&mutex_);
    EXPECT_FALSE(done_) << "a second last callback";
    done_ = true;
    status_ = status;
    result_ = result;
    changed_.SignalAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool appended_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  AppendResult result_ ABSL_GUARDED_BY(mutex_);
};

class TestAppend final : public Append {
 public:
  TestAppend(std::shared_ptr<Outcome> outcome, Observer* observer, std::string name)
      : outcome_(std::move(outcome)), observer_(observer), name_(std::move(name)) {}
  void Appended(const AppendResult&) override {
    observer_->Event("appended " + name_);
    outcome_->SetAppended();
  }
  void Applied(const AppendResult& result) override {
    observer_->Event("applied " + name_);
    outcome_->Finish(absl::OkStatus(), result);
  }
  void Failed(const absl::Status& status) override {
    observer_->Event("failed " + name_);
    outcome_->Finish(status, {});
  }

 private:
  const std::shared_ptr<Outcome> outcome_;
  Observer* const observer_;
  const std::string name_;
};

// One life of a log on a file system. Recovers from `start` when opened.
class TestLog {
 public:
  explicit TestLog(FileSystem* files, StoreOptions options = {}) : files_(files) {
    options_ = std::move(options);
    options_.path = "data";
    if (options_.segment_bytes == StoreOptions().segment_bytes) options_.segment_bytes = kSegment;
  }
  ~TestLog() { log.reset(); }  // before what it borrows

  // Open, Recover, Start; the first error.
  absl::Status Begin(const RecoveryStart& start = {}) {
    if (absl::Status status = Recover(start); !status.ok()) return status;
    return log->Start(&observer);
  }
  absl::Status Recover(const RecoveryStart& start = {}) {
    auto opened = CommitLog::Open(
        options_, {.files = files_, .time = &time_, .may_commit = may_commit, .give_up = give_up});
    if (!opened.ok()) return opened.status();
    log = *std::move(opened);
    auto result = log->Recover(
        start,
        [this](const RecordView& record, uint32_t bytes) {
          EXPECT_TRUE(record.replay);
          recovered.push_back(ToSeen(record, bytes));
          observer.Recovered(recovered.back());
          return absl::OkStatus();
        },
        [this](LogOffset first, LogOffset next) { recovered_ends.emplace_back(first, next); });
    if (!result.ok()) return result.status();
    report = *result;
    return absl::OkStatus();
  }

  std::unique_ptr<TestAppend> Note(const std::string& text, std::shared_ptr<Outcome> outcome) {
    auto append = std::make_unique<TestAppend>(std::move(outcome), &observer, text.substr(0, 16));
    append->AddRecord(kNote, text);
    return append;
  }
  std::unique_ptr<TestAppend> Message(QueueKey queue, const std::string& text,
                                      std::shared_ptr<Outcome> outcome) {
    auto append = std::make_unique<TestAppend>(std::move(outcome), &observer, text.substr(0, 16));
    append->AddMessage(queue, 77, 1234, text);
    return append;
  }
  // Submits and waits for the answer.
  absl::Status Write(const std::string& text) {
    auto outcome = std::make_shared<Outcome>();
    if (absl::Status status = log->Submit(Note(text, outcome)); !status.ok()) return status;
    absl::Status status = outcome->Wait();
    last = outcome->result();
    return status;
  }
  absl::Status Send(QueueKey queue, const std::string& text) {
    auto outcome = std::make_shared<Outcome>();
    absl::Status submitted = log->Submit(Message(queue, text, outcome));
    if (!submitted.ok()) return submitted;
    absl::Status status = outcome->Wait();
    last = outcome->result();
    return status;
  }

  // Frames of another log, as a slave takes them.
  absl::Status Take(std::string frames) {
    auto outcome = std::make_shared<Outcome>();
    log->replicated()->AppendFrames(
        std::move(frames), [outcome](const absl::Status& status) { outcome->Finish(status, {}); });
    return outcome->Wait();
  }
  // Returns when the log thread has done all that was asked of it before.
  void Settle() {
    auto outcome = std::make_shared<Outcome>();
    if (log->RunOnLogThread([outcome] { outcome->Finish(absl::OkStatus(), {}); })) {
      static_cast<void>(outcome->Wait());
    }
  }

  std::vector<std::string> Recovered() const {
    std::vector<std::string> texts;
    for (const Seen& seen : recovered) texts.push_back(seen.text);
    return texts;
  }

  std::function<bool()> may_commit;  // of the next Recover, as the next
  std::function<bool()> give_up;
  FakeClock clock;
  Observer observer;
  std::unique_ptr<CommitLog> log;
  RecoveryReport report;
  std::vector<Seen> recovered;
  std::vector<std::pair<LogOffset, LogOffset>> recovered_ends;
  AppendResult last;

 private:
  FileSystem* const files_;
  StoreOptions options_;
  BrokerTime time_{&clock, absl::InfinitePast()};
};

inline std::string SegmentPath(LogOffset first) {
  std::string digits = std::to_string(first);
  return "data/log/" + std::string(20 - digits.size(), '0') + digits;
}

// The bytes [offset, offset+size) of a file.
inline std::string ReadFile(FileSystem& files, const std::string& path, uint64_t offset,
                            size_t size) {
  auto file = files.Open(path, OpenMode::kReadOnly);
  EXPECT_TRUE(file.ok()) << file.status();
  std::string bytes(size, '\0');
  auto read = (*file)->Read(offset, bytes.data(), size);
  EXPECT_TRUE(read.ok()) << read.status();
  bytes.resize(*read);
  return bytes;
}

inline void WriteFile(FileSystem& files, const std::string& path, uint64_t offset,
                      std::string_view bytes) {
  auto file = files.Open(path, OpenMode::kOpenOrCreate);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write(offset, bytes).ok());
  ASSERT_TRUE((*file)->Sync().ok());
}

// A directory "data/log" with these segments, in memory.
inline std::unique_ptr<RecordingFileSystem> DiskWith(
    const std::map<LogOffset, std::string>& segments) {
  auto files = std::make_unique<RecordingFileSystem>();
  EXPECT_TRUE(MakeDurableDirectory(*files, "data/log").ok());
  for (const auto& [first, bytes] : segments) WriteFile(*files, SegmentPath(first), 0, bytes);
  EXPECT_TRUE(files->SyncDirectory("data/log").ok());
  return files;
}

}  // namespace mansio::store::testing

#endif  // MANSIO_TESTS_STORE_LOG_LOG_TESTING_H_
