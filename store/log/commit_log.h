#ifndef MANSIO_STORE_LOG_COMMIT_LOG_H_
#define MANSIO_STORE_LOG_COMMIT_LOG_H_

#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/append.h"
#include "store/log/epoch_history.h"
#include "store/log/replicated_log.h"
#include "store/options.h"
#include "store/record.h"
#include "store/store.h"
#include "store/types.h"

namespace mansio::store {

// What the log tells those derived from it. All on the log thread (or on the opening thread, in
// Replay).
class LogObserver {
 public:
  virtual ~LogObserver() = default;
  // The next dense offset of a queue, counted up; called in log order while a batch is encoded.
  virtual QueueOffset AssignOffset(QueueKey queue) = 0;
  // All callbacks of appends are made between BatchBegin and BatchEnd. A batch has such a pair once
  // it is committed: Apply with each record in order, then Applied of its appends. With durability
  // `sync` there is one before that, around the Appended calls, because the flush comes between;
  // refusals have one too.
  virtual void BatchBegin() = 0;
  virtual void Apply(const RecordView& record, uint32_t record_bytes) = 0;
  virtual void BatchEnd() = 0;
  // The tail left segment [first, next): what follows is in a new one.
  virtual void SegmentEnded(LogOffset first, LogOffset next) = 0;
};

// Where recovery has to begin, from the checkpoint.
struct RecoveryStart {
  LogOffset offset = 0;      // fold from here; 0: from the oldest frame there is
  Epoch epoch = 0;           // of the checkpoint
  LogOffset synced = 0;      // the greatest known synced offset
  StoreTime store_time = 0;  // last store time folded into the checkpoint
  // What a checkpoint that is not used says: the log was durable up to here, in this epoch. Damage
  // below it is damage; a log that just ends below it is one that the checkpoint was ahead of.
  LogOffset claimed = 0;
  Epoch claimed_epoch = 0;
  EpochHistory epochs = {};  // of what is below `offset`, as far as it is known
  // Frames that begin here or behind are verified, and are folded when they are committed
  // (design section 9).
  LogOffset fold_until = std::numeric_limits<LogOffset>::max();
};

// What the scan at start found.
struct RecoveryReport {
  LogOffset first = 0;       // oldest retained offset
  LogOffset end = 0;         // where appending goes on
  LogOffset folded = 0;      // what is before is folded
  EpochHistory epochs = {};  // up to `end`
  Epoch last_epoch = 0;
  StoreTime last_store_time = 0;
  uint64_t replayed_bytes = 0;
  uint64_t cut_bytes = 0;  // torn tail that was cut, 0 for none
  LogOffset synced = 0;    // what is before is known to be on the disk
};

// Segment files, frames, the log thread. Opened in two steps: Open scans and cuts the tail, Replay
// folds, Start begins the new epoch and the thread.
class CommitLog {
 public:
  static absl::StatusOr<std::unique_ptr<CommitLog>> Open(const StoreOptions& options,
                                                         Store::Environment environment);
  virtual ~CommitLog() = default;

  // The oldest offset held on disk and the end of the files' names; before Recover.
  virtual LogOffset First() const = 0;

  // Scans and verifies from `start`, calls `fold` for every record in order, tells a torn tail from
  // damage (design section 4), cuts, zeroes and syncs the tail. OutOfRange when the log ends before
  // `start.offset` (the checkpoint is then damaged: the caller starts over from First()). DataLoss
  // for damage: file, offset, reach, and how to salvage.
  virtual absl::StatusOr<RecoveryReport> Recover(
      const RecoveryStart& start,
      absl::FunctionRef<absl::Status(const RecordView&, uint32_t record_bytes)> fold,
      absl::FunctionRef<void(LogOffset first, LogOffset next)> segment_ended) = 0;

  // Appends and syncs the EPOCH frame of a new epoch greater than any seen, then starts the log
  // thread and the segment preparer. `observer` is borrowed.
  // As a slave: no epoch of its own, and nothing is submitted; AppendFrames is how it grows.
  virtual absl::Status Start(LogObserver* observer) = 0;

  // For replication; usable from Start on.
  virtual ReplicatedLog* replicated() = 0;
  // Where a truncation, ordered before this Open, has cut the log; nullopt: there was none.
  virtual std::optional<LogOffset> cut_at_open() const = 0;
  // Whether Open found a log that replaces another one (ReplicatedLog::StartOver). Any checkpoint
  // is one of the former log then.
  enum class Refilling { kNo, kCopying, kComplete };
  virtual Refilling refilling() const { return Refilling::kNo; }
  // A complete one is a log as any other from now on, also after the next Open.
  virtual absl::Status EndRefill() { return absl::OkStatus(); }

  virtual absl::Status Submit(std::unique_ptr<Append> append) = 0;
  // Runs `job` on the log thread between two batches: state there is exactly as of `applied`. False
  // once the log has stopped.
  virtual bool RunOnLogThread(absl::AnyInvocable<void()> job) = 0;
  // Blocks until everything appended before the call is synced (async mode too).
  virtual absl::Status SyncAll() = 0;

  virtual Cursors cursors() const = 0;
  virtual Epoch epoch() const = 0;  // of the last frame
  virtual absl::Status Health() const = 0;
  // Bytes that were accepted and are not committed.
  virtual uint64_t uncommitted() const = 0;

  // A record's bytes from the tail cache.
  virtual std::optional<LogBytes> HotBytes(LogOffset offset, uint32_t size) const = 0;
  // The same by pread. NotFound when the segment has gone.
  virtual absl::StatusOr<LogBytes> ReadBytes(LogOffset offset, uint32_t size) = 0;
  // Decodes and verifies a message record (kind, length, CRC).
  static absl::StatusOr<StoredMessage> DecodeMessage(QueueKey queue, QueueOffset offset,
                                                     LogBytes bytes);

  struct SegmentInfo {
    LogOffset first = 0;
    LogOffset next = 0;             // end; for the active segment the appended offset
    StoreTime last_store_time = 0;  // 0 when not known (from before this start)
    bool active = false;
  };
  virtual std::vector<SegmentInfo> Segments() const = 0;
  // Removes whole segments below `offset` (a segment boundary) from disk, or recycles them.
  virtual absl::Status DropBelow(LogOffset offset) = 0;
  // Tells the log how far a durable checkpoint reaches (for Cursors).
  virtual void SetCheckpointed(LogOffset offset) = 0;

  // Finishes what was accepted, syncs, joins. Idempotent.
  virtual absl::Status Stop() = 0;
};

// Runs `job` on the log thread between two batches and waits for it. False when the log has
// stopped.
bool CallOnLogThread(CommitLog* log, absl::FunctionRef<void()> job);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_COMMIT_LOG_H_
