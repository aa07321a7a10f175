#ifndef MANSIO_STORE_LOG_COMMIT_LOG_IMPL_H_
#define MANSIO_STORE_LOG_COMMIT_LOG_IMPL_H_

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "common/sync/sync.h"
#include "store/log/commit_log.h"
#include "store/log/committer.h"
#include "store/log/flusher.h"
#include "store/log/log_state.h"
#include "store/log/log_writer.h"
#include "store/log/replica_file.h"
#include "store/log/segment_preparer.h"
#include "store/log/segment_set.h"
#include "store/log/submission_queue.h"
#include "store/log/tail_cache.h"

namespace mansio::store {

// The commit log on a directory: puts the parts of this folder together. See commit_log.h.
class CommitLogImpl final : public CommitLog, private ReplicatedLog {
 public:
  CommitLogImpl(const StoreOptions& options, Store::Environment environment,
                std::unique_ptr<SegmentSet> segments, ReplicaMarks marks,
                std::optional<LogOffset> cut_at_open);
  ~CommitLogImpl() override;

  LogOffset First() const override { return segments_->First(); }
  absl::StatusOr<RecoveryReport> Recover(
      const RecoveryStart& start,
      absl::FunctionRef<absl::Status(const RecordView&, uint32_t record_bytes)> fold,
      absl::FunctionRef<void(LogOffset first, LogOffset next)> segment_ended) override;
  absl::Status Start(LogObserver* observer) override;

  absl::Status Submit(std::unique_ptr<Append> append) override {
    return Accept(std::move(append), options_.max_uncommitted_bytes);
  }
  bool RunOnLogThread(absl::AnyInvocable<void()> job) override;
  absl::Status SyncAll() override;

  Cursors cursors() const override;
  Epoch epoch() const override { return is_slave() ? state_.epochs().last() : epoch_; }
  ReplicatedLog* replicated() override { return this; }
  std::optional<LogOffset> cut_at_open() const override { return cut_at_open_; }
  Refilling refilling() const override { return refilling_; }
  absl::Status EndRefill() override;
  absl::Status Health() const override;
  uint64_t uncommitted() const override { return state_.uncommitted.load(); }

  std::optional<LogBytes> HotBytes(LogOffset offset, uint32_t size) const override;
  absl::StatusOr<LogBytes> ReadBytes(LogOffset offset, uint32_t size) override;

  std::vector<SegmentInfo> Segments() const override;
  absl::Status DropBelow(LogOffset offset) override;
  void SetCheckpointed(LogOffset offset) override { state_.checkpointed.store(offset); }

  absl::Status Stop() override;

 private:
  // --- ReplicatedLog, in commit_log_replication.cc.
  LogHistory History() const override;
  Cursors Reached() const override { return cursors(); }
  absl::StatusOr<FrameRun> ReadFrames(LogOffset from, size_t max_bytes) override;
  void AllowCommit(LogOffset offset) override;
  void SetMoved(absl::AnyInvocable<void()> moved) override;
  void StopCommits() override;
  absl::Status SubmitRecord(std::unique_ptr<Append> append) override {
    return Accept(std::move(append), std::numeric_limits<uint64_t>::max());
  }
  bool WasSlave() const override { return was_slave_; }
  LogOffset ReignStart() const override { return tail_; }
  void AppendFrames(std::string frames,
                    absl::AnyInvocable<void(const absl::Status&)> done) override;
  absl::Status TruncateTo(LogOffset offset) override;
  absl::Status StartOver(LogOffset from) override;
  bool IsCopying() const override { return refilling_ == Refilling::kCopying; }
  absl::Status EndCopy() override;

  // Submit, where no more than `limit` bytes may be uncommitted.
  absl::Status Accept(std::unique_ptr<Append> append, uint64_t limit);
  // For whoever finds that the log takes nothing any more.
  absl::Status WhyStopped() const;
  // Writes the marks and stops the log, which has to be opened again: with `why`, which is
  // returned.
  absl::Status StopFor(const Refill& refill, absl::Status why);
  bool is_slave() const { return options_.role == Role::kSlave; }
  bool AcceptsJobs() const { return thread_.joinable() && !state_.failed(); }
  bool syncs_each_batch() const { return SyncsEachBatch(options_.durability); }
  // Of the reign that is about to begin; FailedPrecondition when the log is past it.
  absl::StatusOr<Epoch> NextEpoch() const;
  absl::Status StartAsMaster(LogObserver* observer);
  absl::Status StartAsSlave(LogObserver* observer);
  // The cursors, and the thread.
  void Run(LogOffset tail, LogObserver* observer);
  // Makes sure that there is a segment at the recovered tail, and that all before it is durable.
  absl::Status PrepareTail();
  absl::Status SyncRecovered();
  // The part of that segment that is not known to be on the disk.
  absl::Status WriteAgain(const Segment& segment, File& file) const;
  // Writes the EPOCH frame at the tail and syncs it.
  absl::Status BeginEpoch();

  const StoreOptions options_;
  const Store::Environment environment_;
  const std::unique_ptr<SegmentSet> segments_;
  LogState state_;
  TailCache cache_;
  SubmissionQueue queue_;
  SegmentPreparer preparer_;
  std::unique_ptr<Flusher> flusher_;
  std::unique_ptr<Committer> committer_;
  LogWriter writer_;
  std::thread thread_;

  const bool was_slave_;
  ReplicaMarks marks_;  // the log thread's, once it runs
  const std::optional<LogOffset> cut_at_open_;
  const Refilling refilling_;
  RecoveryReport recovered_;
  LogOffset replayed_from_ = 0;
  Epoch epoch_ = 0;
  LogOffset tail_ = 0;  // behind the EPOCH frame
  // Last store times of the segments that the recovery folded.
  std::map<LogOffset, StoreTime> recovered_times_;
  Mutex stopping_;
  bool stopped_ ABSL_GUARDED_BY(stopping_) = false;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_COMMIT_LOG_IMPL_H_
