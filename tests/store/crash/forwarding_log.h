#ifndef MANSIO_TESTS_STORE_CRASH_FORWARDING_LOG_H_
#define MANSIO_TESTS_STORE_CRASH_FORWARDING_LOG_H_

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "store/log/commit_log.h"

namespace mansio::store {

// A log that does everything as another one does; a build that is broken on purpose overrides some.
class ForwardingLog : public CommitLog {
 public:
  explicit ForwardingLog(std::unique_ptr<CommitLog> log) : log_(std::move(log)) {}

  absl::Status SyncAll() override { return log_->SyncAll(); }
  LogOffset First() const override { return log_->First(); }
  absl::StatusOr<RecoveryReport> Recover(
      const RecoveryStart& start, absl::FunctionRef<absl::Status(const RecordView&, uint32_t)> fold,
      absl::FunctionRef<void(LogOffset, LogOffset)> segment_ended) override {
    return log_->Recover(start, fold, segment_ended);
  }
  absl::Status Start(LogObserver* observer) override { return log_->Start(observer); }
  absl::Status Submit(std::unique_ptr<Append> append) override {
    return log_->Submit(std::move(append));
  }
  bool RunOnLogThread(absl::AnyInvocable<void()> job) override {
    return log_->RunOnLogThread(std::move(job));
  }
  Cursors cursors() const override { return log_->cursors(); }
  Epoch epoch() const override { return log_->epoch(); }
  absl::Status Health() const override { return log_->Health(); }
  uint64_t uncommitted() const override { return log_->uncommitted(); }
  std::optional<LogBytes> HotBytes(LogOffset offset, uint32_t size) const override {
    return log_->HotBytes(offset, size);
  }
  absl::StatusOr<LogBytes> ReadBytes(LogOffset offset, uint32_t size) override {
    return log_->ReadBytes(offset, size);
  }
  std::vector<SegmentInfo> Segments() const override { return log_->Segments(); }
  absl::Status DropBelow(LogOffset offset) override { return log_->DropBelow(offset); }
  void SetCheckpointed(LogOffset offset) override { log_->SetCheckpointed(offset); }
  ReplicatedLog* replicated() override { return log_->replicated(); }
  std::optional<LogOffset> cut_at_open() const override { return log_->cut_at_open(); }
  absl::Status Stop() override { return log_->Stop(); }

 protected:
  CommitLog& log() { return *log_; }

 private:
  const std::unique_ptr<CommitLog> log_;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_FORWARDING_LOG_H_
