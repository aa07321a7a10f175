#ifndef MANSIO_STORE_LOG_LOG_WRITER_H_
#define MANSIO_STORE_LOG_LOG_WRITER_H_

#include <atomic>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "common/clock/broker_time.h"
#include "common/files/file_system.h"
#include "store/append.h"
#include "store/log/batch.h"
#include "store/log/commit_log.h"
#include "store/log/committer.h"
#include "store/log/flusher.h"
#include "store/log/log_state.h"
#include "store/log/replica_file.h"
#include "store/log/segment_preparer.h"
#include "store/log/segment_set.h"
#include "store/log/submission_queue.h"
#include "store/log/tail_cache.h"
#include "store/options.h"
#include "store/stats.h"

namespace mansio::store {

// What the log thread does: takes all that is queued, and writes, flushes, commits and applies it
// batch by batch. All on the log thread but Begin and refusing().
class LogWriter {
 public:
  // Borrowed; all must outlive it.
  struct Parts {
    SegmentSet* segments = nullptr;
    SegmentPreparer* preparer = nullptr;
    Flusher* flusher = nullptr;  // nullptr when each batch is synced
    // Applies what replication commits; nullptr: what is durable is committed.
    Committer* committer = nullptr;
    // With a committer: what is durable may be committed at once, as far as members go.
    bool commits_alone = false;
    TailCache* cache = nullptr;
    LogState* state = nullptr;
    BrokerTime* time = nullptr;
    StoreStats* stats = nullptr;  // or nullptr
  };
  explicit LogWriter(const Parts& parts) : parts_(parts), batch_(parts.cache) {}

  // Where the log stands when the thread starts: behind the synced EPOCH frame of `epoch`.
  absl::Status Begin(LogOffset tail, Epoch epoch, StoreTime last_store_time, LogObserver* observer);
  // The same for a slave, whose log ends at `tail`; it makes its segments as they come.
  absl::Status BeginAsSlave(LogOffset tail, Epoch epoch, StoreTime last_store_time,
                            LogObserver* observer);

  // Serves the queue until it is closed and empty.
  void Run(SubmissionQueue& queue);

  // --- A slave: see ReplicatedLog.
  using FramesDone = absl::AnyInvocable<void(const absl::Status&)>;
  // Written at once; durable, and answered, with the next SettleFrames.
  void AppendFrames(std::string_view frames, FramesDone done);
  // With one flush for all that was taken since the last time. At the end of each turn of Run; to
  // be called before any other job.
  void SettleFrames();
  // `marks` are what the log's directory says, and are brought up to date.
  absl::Status TruncateTo(LogOffset offset, ReplicaMarks& marks);

  // Called whenever a cursor has moved.
  void SetMoved(absl::AnyInvocable<void()> moved) { moved_ = std::move(moved); }
  // Applies what replication has committed meanwhile.
  void CommitAllowed();

  // True while messages are refused because the next segment cannot be made. Any thread.
  bool refusing() const { return refusing_.load(std::memory_order_relaxed); }
  // Start and end of the segments that were completed, with their last store times, since Begin.
  struct Ended {
    LogOffset first = 0;
    StoreTime last_store_time = 0;
  };
  std::vector<Ended> ended() const;
  // The start of the segment being written. Any thread.
  LogOffset active_first() const { return active_first_.load(std::memory_order_relaxed); }

 private:
  using Appends = absl::Span<std::unique_ptr<Append>>;

  // Puts appends from the front of `queue` into the batch; returns how many it took or failed.
  size_t Fill(Appends queue);
  void BeginBatch();
  // Whether the unit may go into the active segment, whose next one may be impossible to make.
  absl::Status Admit(const Batch::Unit& unit);
  void Commit();
  absl::Status WriteBatch();
  void CountBatch(int64_t began, int64_t written);
  absl::Status SyncBatch();
  // Leaves a batch that was written to the committer.
  void CommitLater();
  void ApplyBatch();
  void Moved();
  // A slave goes on in the segment that begins at `first`, which is made now.
  absl::Status NextSegment(LogOffset first, uint64_t bytes);
  void NoteEnded();
  absl::Status TakeFrames(std::string_view frames);
  absl::Status WriteFrames(std::string_view frames, LogOffset at);
  absl::Status SyncFrames();
  absl::Status CutTo(LogOffset offset, ReplicaMarks& marks);
  void AnswerAppended();
  void AnswerApplied();
  void FailBatch(const absl::Status& status);
  void FailAppends(Appends appends, const absl::Status& status);
  // What was submitted before a refusal was told, and with the refused decision in mind.
  void RefuseQueued(SubmissionQueue& queue);
  absl::Status Roll();
  absl::Status Activate(std::shared_ptr<const Segment> segment);

  const Parts parts_;
  LogObserver* observer_ = nullptr;
  Epoch epoch_ = 0;
  StoreTime store_time_ = 0;
  LogOffset position_ = 0;
  std::shared_ptr<const Segment> segment_;
  std::shared_ptr<File> file_;
  struct Taken {
    absl::Status status;
    FramesDone done;
  };
  std::vector<Taken> taken_;  // frames that are not answered yet
  Batch batch_;
  SubmissionQueue::Content content_;
  absl::AnyInvocable<void()> moved_;
  absl::Status refusal_;  // of an append without messages; what is behind it is to be refused too
  std::atomic<bool> refusing_{false};
  std::atomic<LogOffset> active_first_{0};
  mutable Mutex mutex_;
  std::vector<Ended> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_LOG_WRITER_H_
