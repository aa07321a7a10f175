#ifndef MANSIO_STORE_LOG_REPLICATED_LOG_H_
#define MANSIO_STORE_LOG_REPLICATED_LOG_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/append.h"
#include "store/log/epoch_history.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

// Whole frames of the log, as they stand in their segment's file.
struct FrameRun {
  LogOffset first = 0;  // where they begin
  LogOffset next = 0;   // where the log goes on: behind them, or at the next segment
  LogBytes bytes = {};  // empty at the end of the log
};

// The log as replication sees it (design section 9). A slave's log is byte-identical to its
// master's: frames are copied as they are, into segments of the same lengths. Thread-safe; nothing
// here waits for another broker.
class ReplicatedLog {
 public:
  virtual ~ReplicatedLog() = default;

  // --- Both.

  // Which reign wrote what, up to the appended end, and the log's bounds.
  virtual LogHistory History() const = 0;
  virtual Cursors Reached() const = 0;
  // Whole frames from `from` on, which is the start of a frame, or the end of the log: as many as
  // fit into `max_bytes`, at least one, all of one segment. Appended ones, whether committed or
  // not. NotFound when retention has removed them; DataLoss names the place when no frame is there.
  virtual absl::StatusOr<FrameRun> ReadFrames(LogOffset from, size_t max_bytes) = 0;
  // What is appended and ends at or below `offset` is committed now, and is applied; `offset` may
  // be ahead of the log, and lower ones than before change nothing. Looks again at what
  // Store::Environment::may_commit has held back. With durability `async` or `sync` a master
  // commits by itself, and this does no more than that.
  virtual void AllowCommit(LogOffset offset) = 0;
  // `moved` is called on the log thread whenever a cursor has moved; it must not block. Replaces
  // the one before, which is not called again once this has returned. Not on the log thread.
  virtual void SetMoved(absl::AnyInvocable<void()> moved) = 0;
  // From now on nothing is committed; appends that wait for it fail. Before the end.
  virtual void StopCommits() = 0;

  // --- A master.

  // As Store::Submit, and also before the reign's beginning is committed, and however much waits to
  // be committed: for replication's own records, which depend on nothing before them, and without
  // which that may never be.
  virtual absl::Status SubmitRecord(std::unique_ptr<Append> append) = 0;
  // The log was a slave's before this start: as a member of the in-sync set it holds all that was
  // acknowledged. False: it was this master's own, and slaves may have what a power cut took here.
  virtual bool WasSlave() const = 0;
  // Behind the EPOCH frame of this reign. Nobody may decide anything before it is applied.
  virtual LogOffset ReignStart() const = 0;

  // --- A slave.

  // Appends frames that ReadFrames of the master gave, checks them first, and makes them durable as
  // the durability says. `done` is called on the log thread, or at once when the log has stopped:
  //   OutOfRange          they do not begin where the log ends: nothing is written
  //   DataLoss            a checksum is wrong or a frame is malformed: nothing is written
  //   FailedPrecondition  of an older reign, or this broker is the master: nothing is written
  //   other               the disk; the log has stopped
  virtual void AppendFrames(std::string frames,
                            absl::AnyInvocable<void(const absl::Status&)> done) = 0;
  // Takes [offset, end) out of the log, durably: it is kept aside in files "*.salvaged". Blocks;
  // not on the log thread. When `offset` is below what is applied, which cannot be undone, the log
  // stops with FailedPrecondition, and the next Open cuts it and rebuilds the state.
  virtual absl::Status TruncateTo(LogOffset offset) = 0;

  // --- A slave whose log cannot be joined to its master's, because that begins behind it.

  // Orders that all of the log is replaced: it stops with FailedPrecondition, and the next Open
  // keeps it aside and begins an empty one at `from`, where the master's log begins. Blocks; not on
  // the log thread.
  virtual absl::Status StartOver(LogOffset from) = 0;
  // An empty log is being filled since StartOver. What is derived from it is empty: nothing is
  // committed or applied.
  virtual bool IsCopying() const = 0;
  // The log is complete up to its end, which includes a snapshot of all that it was trimmed of: it
  // stops with FailedPrecondition, and the next Open rebuilds the state from it. Blocks; not on the
  // log thread.
  virtual absl::Status EndCopy() = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_REPLICATED_LOG_H_
