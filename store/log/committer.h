#ifndef MANSIO_STORE_LOG_COMMITTER_H_
#define MANSIO_STORE_LOG_COMMITTER_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "store/log/batch.h"
#include "store/log/commit_log.h"
#include "store/log/log_state.h"
#include "store/log/replicated_log.h"
#include "store/log/segment_set.h"
#include "store/log/tail_cache.h"
#include "store/types.h"

namespace mansio::store {

// Applies what replication has committed: reads the frames from the log again and answers the
// appends that waited in them. Used where the disk alone does not decide: on a slave, and on a
// master with durability `replica` or `replica-sync`. Log thread only, but for Allow.
class Committer {
 public:
  // Borrowed. `may_commit`: as Store::Environment's.
  Committer(const SegmentSet* segments, const TailCache* cache, LogState* state,
            std::function<bool()> may_commit)
      : segments_(segments),
        cache_(cache),
        state_(state),
        may_commit_(may_commit != nullptr ? std::move(may_commit) : [] { return true; }) {}

  // The state is folded up to `applied`.
  void Begin(LogOffset applied, LogObserver* observer);

  // Commits up to `offset`, or does not move. True when Run has something to do with it, or with
  // what was held back, that is not under way yet. Any thread.
  bool Allow(LogOffset offset);

  // Takes over the appends of a batch that was written; fails them when commits have stopped.
  void Add(Batch& batch);
  // Applies all that is allowed and appended.
  void Run();
  // Fails what waits. With `for_good`, also all that comes.
  void Fail(const absl::Status& status, bool for_good);

  LogOffset applied() const { return applied_; }

 private:
  struct Waiting {
    LogOffset end = 0;
    uint64_t accepted_bytes = 0;
    std::vector<Batch::Placed> placed;
  };

  // Applies a run of frames and answers; false when there was none.
  bool ApplyRun(LogOffset limit);
  void ApplyFrames(const FrameRun& run);
  void Answer(LogOffset applied);
  void PassedSegment(LogOffset end);

  const SegmentSet* const segments_;
  const TailCache* const cache_;
  LogState* const state_;
  const std::function<bool()> may_commit_;
  LogObserver* observer_ = nullptr;
  LogOffset applied_ = 0;
  std::deque<Waiting> waiting_;  // in the order of the log
  absl::Status stopped_;
  std::atomic<LogOffset> allowed_{0};
  std::atomic<bool> due_{false};
  std::atomic<bool> held_back_{false};  // may_commit has said no
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_COMMITTER_H_
