#ifndef MANSIO_STORE_DERIVED_STATE_H_
#define MANSIO_STORE_DERIVED_STATE_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/checkpoint/checkpointer.h"
#include "store/checkpoint/key_value_store.h"
#include "store/log/commit_log.h"
#include "store/options.h"
#include "store/queue/consume_queues.h"
#include "store/record.h"
#include "store/retention/segment_times.h"
#include "store/state_machine.h"

namespace mansio::store {

// Everything that is folded from the log: ConsumeQueues, the broker's machine, and the little that
// the store itself remembers. One fold for live traffic and for replay. The fold, the captures and
// the restores run on the log thread, or on the recovering one before it starts.
class DerivedState : public CheckpointSource {
 public:
  // All borrowed.
  DerivedState(StateMachine* machine, uint64_t queue_memory_bytes, const KeyValueStore* checkpoint);

  // Folds one record. DataLoss when it does not follow from what was folded before: then the
  // checkpoint or the log is not what it was.
  absl::Status Fold(const RecordView& record, uint32_t record_bytes);
  // The same for the part of the log before the snapshot that a rebuild starts from: messages enter
  // their ConsumeQueue, all other state comes with the snapshot.
  absl::Status FoldQueuesOnly(const RecordView& record, uint32_t record_bytes);
  void SegmentEnded(LogOffset first, LogOffset next);

  // Loads the checkpoint. nullopt when there is none; DataLoss when it is damaged (Clear, then).
  absl::StatusOr<std::optional<CheckpointMeta>> Load();
  // The reigns below the checkpoint that was loaded, as far as it says.
  const EpochHistory& loaded_epochs() const { return loaded_epochs_; }
  // Takes back a pair of a snapshot.
  absl::Status Restore(std::string_view key, std::string_view value);
  // Forgets everything.
  void Clear();
  // Gives all pairs that make up the present state, for a snapshot.
  void CaptureAll(StateSink& sink) const;

  // Of the log that Capture asks for its offset and epoch; before the first capture.
  void set_log(CommitLog* log) { log_ = log; }

  CheckpointMeta Capture(KeyValueBatch& batch) override;
  absl::Status Complete(KeyValueBatch& batch) override;
  void Written(const CheckpointMeta& meta) override;
  void Failed() override;

  ConsumeQueues& queues() { return queues_; }
  const ConsumeQueues& queues() const { return queues_; }
  StateMachine& machine() { return *machine_; }
  const SegmentTimes& segment_times() const { return segment_times_; }
  // The segments below `offset` are gone. Any thread.
  void ForgetSegments(LogOffset offset) { segment_times_.Forget(offset); }
  // The log's minimum by the last TRIM record; where the last complete snapshot was captured. Any
  // thread.
  LogOffset trimmed() const { return trimmed_.load(std::memory_order_acquire); }
  LogOffset snapshot() const { return snapshot_.load(std::memory_order_acquire); }
  // Bytes of log folded since the start, without what retention itself appended (carries,
  // snapshots, trims). Any thread.
  uint64_t traffic() const { return traffic_.load(std::memory_order_relaxed); }

 private:
  absl::Status EnterMessage(const RecordView& record, uint32_t record_bytes);
  void Passed(const RecordView& record);
  void CountTraffic(const RecordView& record, uint32_t record_bytes);
  absl::Status LoadPrefix(std::string_view prefix);
  absl::Status LoadEpochs();

  StateMachine* const machine_;
  const KeyValueStore* const checkpoint_;
  CommitLog* log_ = nullptr;
  EpochHistory loaded_epochs_;
  ConsumeQueues queues_;
  SegmentTimes segment_times_;
  StoreTime store_time_ = 0;  // of the last record
  std::atomic<LogOffset> trimmed_{0};
  std::atomic<LogOffset> snapshot_{0};
  std::atomic<uint64_t> traffic_{0};
  LogOffset folded_ = 0;  // the end of the last record, or of its segment; 0: none yet
  QueueCapture capture_;  // of the checkpoint under way
  // The checkpoint was wiped: the next one must hold the machine's whole state, also what a
  // snapshot gave it, which it does not count as changed.
  bool checkpoint_empty_ = false;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_DERIVED_STATE_H_
