#include "store/recovery.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "common/logging/logging.h"
#include "store/frame_end.h"
#include "store/retention/snapshot.h"

namespace mansio::store {
namespace {

class StateRecovery {
 public:
  StateRecovery(CommitLog* log, KeyValueStore* checkpoint, DerivedState* state,
                const StoreOptions& options)
      : log_(log),
        checkpoint_(checkpoint),
        state_(state),
        folds_all_(!options.WaitsForCommit()),
        queue_memory_bytes_(options.queue_memory_bytes),
        path_(options.path) {}

  absl::StatusOr<Recovered> Run() {
    const absl::StatusOr<std::optional<CheckpointMeta>> meta = state_->Load();
    if (!meta.ok() && !absl::IsDataLoss(meta.status())) return meta.status();
    if (!meta.ok()) {
      LOG_WARNING("The checkpoint in {} is not usable: {}", path_,
                  std::string(meta.status().message()));
    } else if (meta->has_value()) {
      absl::StatusOr<Recovered> recovered = FromCheckpoint(**meta);
      if (recovered.ok() || !checkpoint_damaged_) return recovered;
      LOG_WARNING("The checkpoint in {} does not fit the log: {}", path_,
                  std::string(recovered.status().message()));
    }
    return FromLogAlone();
  }

 private:
  absl::StatusOr<Recovered> FromCheckpoint(const CheckpointMeta& meta) {
    if (meta.offset < log_->First()) {
      checkpoint_damaged_ = true;
      return absl::OutOfRangeError(fmt::format("it stands for offset {}, and the log begins at {}",
                                               meta.offset, log_->First()));
    }
    if (meta.offset > log_->First() && !FrameEndsAt(log_, meta.offset)) {
      checkpoint_damaged_ = true;
      return absl::OutOfRangeError(
          fmt::format("it stands for offset {}, where no frame of the log ends", meta.offset));
    }
    absl::Status folded;
    RecoveryStart start{.offset = meta.offset,
                        .epoch = meta.epoch,
                        .synced = meta.synced,
                        .store_time = meta.store_time,
                        .epochs = state_->loaded_epochs()};
    if (!folds_all_) start.fold_until = meta.offset;
    const absl::StatusOr<RecoveryReport> report = log_->Recover(
        start,
        [&](const RecordView& record, uint32_t bytes) {
          return folded = state_->Fold(record, bytes);
        },
        [&](LogOffset first, LogOffset next) {
          if (next > meta.offset) state_->SegmentEnded(first, next);
        });
    checkpoint_damaged_ = !folded.ok() || absl::IsOutOfRange(report.status());
    if (!report.ok()) return report.status();
    return Recovered{*report, meta.offset, false};
  }

  absl::StatusOr<Recovered> FromLogAlone() {
    state_->Clear();
    const LogOffset first = log_->First();
    SnapshotFinder snapshot(first);
    const RecoveryStart start = WithClaim(first);
    if (first > 0 || start.claimed > 0) {
      LOG_WARNING("Rebuilding the state of {} from the whole log.", path_);
      if (absl::Status found = LookThrough(start, snapshot); !found.ok()) return found;
    }
    // Not before: a start that refuses a damaged log must leave what it knows of it.
    if (absl::Status wiped = checkpoint_->Wipe(); !wiped.ok()) return wiped;
    if (first > 0) state_->queues().BeginRebuild();
    bool restored = first == 0;
    RecoveryStart again{.offset = first};
    if (!folds_all_) again.fold_until = first == 0 ? 0 : snapshot.completed_at() + 1;
    const absl::StatusOr<RecoveryReport> report = log_->Recover(
        again,
        [&](const RecordView& record, uint32_t bytes) {
          if (!restored && record.position.offset >= snapshot.captured_at()) {
            restored = true;
            if (absl::Status given = RestoreSnapshot(snapshot); !given.ok()) return given;
          }
          if (absl::Status saved = SaveRuns(); !saved.ok()) return saved;
          return restored ? state_->Fold(record, bytes) : state_->FoldQueuesOnly(record, bytes);
        },
        [&](LogOffset begin, LogOffset next) { state_->SegmentEnded(begin, next); });
    if (!report.ok()) return report.status();
    if (const size_t skipped = state_->queues().SkipMissing(); skipped > 0) {
      LOG_ERROR(
          "The log in {} has lost the first messages of {} queues: files were deleted by hand. The "
          "queues begin behind them now.",
          path_, skipped);
    }
    return Recovered{*report, first, true};
  }

  // The fold from the log's beginning, with what the checkpoint still tells.
  RecoveryStart WithClaim(LogOffset first) const {
    RecoveryStart start{.offset = first};
    const absl::StatusOr<std::optional<std::string>> value = checkpoint_->Get(kMetaKey);
    if (!value.ok() || !value->has_value()) return start;
    if (const absl::StatusOr<CheckpointMeta> meta = DecodeMeta(**value); meta.ok()) {
      start.claimed = meta->synced;
      start.claimed_epoch = meta->epoch;
    }
    return start;
  }

  // Verifies the whole log, and finds the snapshot that a rebuild of a trimmed one begins with.
  absl::Status LookThrough(const RecoveryStart& start, SnapshotFinder& snapshot) {
    const LogOffset first = start.offset;
    const absl::StatusOr<RecoveryReport> report = log_->Recover(
        start, [&](const RecordView& record, uint32_t) { return snapshot.See(record); },
        [](LogOffset, LogOffset) {});
    if (!report.ok()) return report.status();
    if (report->end < start.claimed && report->last_epoch <= start.claimed_epoch) {
      LOG_ERROR(
          "The log in {} ends at offset {}, and its last checkpoint knew it up to {}: what was "
          "between them is lost. Stop the broker and put the log's files back if you have them.",
          path_, report->end, start.claimed);
    }
    if (first == 0 || snapshot.complete()) return absl::OkStatus();
    return absl::DataLossError(fmt::format(
        "the log in {} begins at offset {} and has no complete snapshot, and there is no usable "
        "checkpoint: put back the missing segment files or the directory \"checkpoint\" from a "
        "backup",
        path_, first));
  }

  // Not into the checkpoint: its first capture has the machine's whole state, and a pair written
  // here would outlive its deletion by the records that follow.
  absl::Status RestoreSnapshot(const SnapshotFinder& snapshot) {
    for (const auto& [key, value] : snapshot.pairs()) {
      if (absl::Status given = state_->Restore(key, value); !given.ok()) return given;
    }
    state_->queues().EndRebuild();
    return absl::OkStatus();
  }

  // A long log has more queue entries than fit into memory. A checkpoint without its meta record
  // does not count as one, so that a crash on the way starts over.
  absl::Status SaveRuns() {
    if (state_->queues().PendingBytes() < queue_memory_bytes_ / 2) return absl::OkStatus();
    ConsumeQueues& queues = state_->queues();
    const QueueCapture capture = queues.Capture();
    KeyValueBatch batch;
    if (absl::Status added = queues.AddTo(batch, capture); !added.ok()) return added;
    if (absl::Status written = checkpoint_->Write(batch); !written.ok()) return written;
    queues.Written(capture);
    return absl::OkStatus();
  }

  CommitLog* const log_;
  KeyValueStore* const checkpoint_;
  DerivedState* const state_;
  const bool folds_all_;
  const uint64_t queue_memory_bytes_;
  const std::string& path_;
  bool checkpoint_damaged_ = false;
};

}  // namespace

absl::StatusOr<Recovered> RecoverState(CommitLog* log, KeyValueStore* checkpoint,
                                       DerivedState* state, const StoreOptions& options) {
  return StateRecovery(log, checkpoint, state, options).Run();
}

}  // namespace mansio::store
