#ifndef MANSIO_STORE_STORE_IMPL_H_
#define MANSIO_STORE_STORE_IMPL_H_

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "common/files/file_system.h"
#include "store/checkpoint/checkpointer.h"
#include "store/checkpoint/key_value_store.h"
#include "store/cold_pool.h"
#include "store/derived_state.h"
#include "store/index/key_index.h"
#include "store/log/append_encoding.h"
#include "store/log/commit_log.h"
#include "store/recovery.h"
#include "store/retention/retention.h"
#include "store/retention/retention_limits.h"
#include "store/store.h"

namespace mansio::store {

// Puts something around the log that the store opened; tests break it on purpose this way.
using LogDecorator = absl::AnyInvocable<std::unique_ptr<CommitLog>(std::unique_ptr<CommitLog>)>;

// Store (see there for each function): opens the parts in order and passes calls on to them.
class StoreImpl : public Store, private LogObserver {
 public:
  static absl::StatusOr<std::unique_ptr<StoreImpl>> Open(StoreOptions options,
                                                         Environment environment,
                                                         StateMachine* machine,
                                                         LogDecorator decorate_log = nullptr);
  // Without Close: stops, and leaves what is behind the last checkpoint to the next start's replay.
  ~StoreImpl() override;

  absl::Status Submit(std::unique_ptr<Append> append) override;
  Cursors cursors() const override { return log_->cursors(); }
  Epoch epoch() const override { return log_->epoch(); }
  absl::Status Health() const override { return log_->Health(); }
  StoreUsage usage() const override;
  void SetRetention(absl::Duration age, uint64_t bytes) override;

  void DefineTopic(uint32_t topic, uint32_t queues) override;
  void DropTopic(uint32_t topic) override;
  QueueRange Range(QueueKey queue) const override;
  QueueRange StoredRange(QueueKey queue) const override;
  std::optional<std::vector<QueueEntry>> HotEntries(QueueKey queue, QueueOffset from,
                                                    size_t max) const override;
  absl::StatusOr<std::vector<QueueEntry>> ReadEntries(QueueKey queue, QueueOffset from,
                                                      size_t max) override;
  std::vector<CarriedEntry> CarriedEntries(QueueKey queue, QueueOffset from,
                                           size_t max) const override;
  size_t MaxAppendBytes() const override {
    return AppendEncoding::MaxBytes(options_.segment_bytes);
  }
  void ForgetCarried(QueueKey queue, QueueOffset offset) override;
  uint64_t CarryBudgetLeft() const override;
  std::optional<StoredMessage> HotMessage(QueueKey queue, QueueOffset offset,
                                          const QueueEntry& entry) const override;
  absl::StatusOr<StoredMessage> ReadMessage(QueueKey queue, QueueOffset offset,
                                            const QueueEntry& entry) override;
  absl::StatusOr<KeySearch> FindByKey(const KeyQuery& query,
                                      absl::FunctionRef<bool(const KeyMatch&)> visit) override;
  absl::StatusOr<LocatedMessage> ReadMessageAt(LogOffset offset) override;
  absl::StatusOr<LogOffset> ReadLog(
      LogOffset from, size_t max_bytes,
      absl::FunctionRef<void(const RecordView& record)> visit) override;
  LogOffset NextLogFile(LogOffset from) const override;
  bool RunCold(absl::AnyInvocable<void()> job) override;
  std::optional<StoreTime> FirstStoreTime(QueueKey queue) const override;
  bool NeverTrimmed(QueueKey queue) const override;
  absl::Status Checkpoint() override;
  absl::Status EnforceRetention() override;
  absl::Status Close() override;
  ReplicatedLog* replicated_log() override { return log_->replicated(); }

  // How the last start went, for the log line and tests.
  const Recovered& recovered() const { return recovered_; }
  const ConsumeQueues& queues() const { return state_->queues(); }
  KeyIndex* key_index() { return key_index_.get(); }  // nullptr: there is none

 private:
  StoreImpl(StoreOptions options, Environment environment, StateMachine* machine);
  absl::Status OpenParts(LogDecorator decorate_log);
  absl::Status OpenCheckpoint();
  // A truncation has taken part of what the checkpoint stands for.
  absl::Status DropCheckpointOfCutLog();
  // The log replaces another one, whose derived state goes (ReplicatedLog::StartOver).
  absl::Status PrepareRefilled();
  // Of a log that is not complete nothing is folded.
  absl::StatusOr<Recovered> VerifyCopy();
  bool is_copying() const { return log_->refilling() == CommitLog::Refilling::kCopying; }
  void OpenKeyIndex();
  void StartThreads();
  void StopThreads();

  QueueOffset AssignOffset(QueueKey queue) override;
  void BatchBegin() override;
  void Apply(const RecordView& record, uint32_t record_bytes) override;
  void BatchEnd() override;
  void SegmentEnded(LogOffset first, LogOffset next) override;

  const StoreOptions options_;
  const Environment environment_;
  StateMachine* const machine_;

  // In the order in which they are opened; each borrows from those above.
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<KeyValueStore> own_checkpoint_;
  KeyValueStore* checkpoint_ = nullptr;
  std::unique_ptr<DerivedState> state_;
  std::unique_ptr<CommitLog> log_;
  std::unique_ptr<Checkpointer> checkpointer_;
  RetentionLimits retention_limits_;
  std::unique_ptr<Retention> retention_;
  std::unique_ptr<ColdPool> cold_pool_;
  std::unique_ptr<KeyIndex> key_index_;

  Recovered recovered_;
  std::atomic<bool> ready_{false};  // the checkpointer exists
  std::atomic<bool> closing_{false};
  Mutex close_mutex_;
  bool closed_ ABSL_GUARDED_BY(close_mutex_) = false;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_STORE_IMPL_H_
