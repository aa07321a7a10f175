// The log as replication sees it.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "store/log/commit_log_impl.h"
#include "store/log/frame_reader.h"

namespace mansio::store {

LogHistory CommitLogImpl::History() const {
  LogHistory history{.end = state_.appended.load()};
  history.begin = segments_->empty() ? history.end : segments_->First();
  history.epochs = state_.epochs();
  history.epochs.DropBelow(history.begin);
  return history;
}

absl::StatusOr<FrameRun> CommitLogImpl::ReadFrames(LogOffset from, size_t max_bytes) {
  return ReadFrameRun(*segments_, cache_, from, state_.appended.load(), max_bytes);
}

void CommitLogImpl::AllowCommit(LogOffset offset) {
  if (committer_ == nullptr || IsCopying() || !committer_->Allow(offset)) return;
  // False when the log has stopped: then nothing is committed any more.
  static_cast<void>(RunOnLogThread([this] { writer_.CommitAllowed(); }));
}

void CommitLogImpl::SetMoved(absl::AnyInvocable<void()> moved) {
  CallOnLogThread(this, [&] { writer_.SetMoved(std::move(moved)); });
}

void CommitLogImpl::StopCommits() {
  if (committer_ == nullptr) return;
  // Refused when the log has failed: its thread does the same by itself then.
  CallOnLogThread(this, [this] {
    committer_->Fail(absl::UnavailableError("the broker is shutting down"), /*for_good=*/true);
  });
}

void CommitLogImpl::AppendFrames(std::string frames,
                                 absl::AnyInvocable<void(const absl::Status&)> done) {
  if (!is_slave()) {
    done(absl::FailedPreconditionError("this broker is the master: it takes no frames of another"));
    return;
  }
  // Shared with the job, which is destroyed unrun when the log has stopped.
  auto shared = std::make_shared<absl::AnyInvocable<void(const absl::Status&)>>(std::move(done));
  absl::AnyInvocable<void()> job = [this, shared, frames = std::move(frames)] {
    writer_.AppendFrames(frames, [shared](const absl::Status& status) { (*shared)(status); });
  };
  // Not as other jobs, before which all frames are settled.
  if (AcceptsJobs() && queue_.PushJob(job)) return;
  (*shared)(WhyStopped());
}

absl::Status CommitLogImpl::WhyStopped() const {
  absl::Status failure = state_.failure();
  return failure.ok() ? absl::UnavailableError("the store is closing") : failure;
}

absl::Status CommitLogImpl::TruncateTo(LogOffset offset) {
  if (!is_slave()) {
    return absl::FailedPreconditionError("this broker is the master: its log is not cut");
  }
  std::optional<absl::Status> cut;
  CallOnLogThread(this, [&] { cut = writer_.TruncateTo(offset, marks_); });
  return cut.has_value() ? *cut : WhyStopped();
}

absl::Status CommitLogImpl::StartOver(LogOffset from) {
  if (!is_slave()) {
    return absl::FailedPreconditionError("this broker is the master: its log is not replaced");
  }
  // Nobody needs a part of a copy; it would only fill the disk.
  const auto phase = IsCopying() ? Refill::Phase::kDrop : Refill::Phase::kOrdered;
  return StopFor({.from = from, .phase = phase},
                 absl::FailedPreconditionError(fmt::format(
                     "its master's log begins at offset {}, behind all that both have: it is "
                     "copied from there after a restart of this broker's store",
                     from)));
}

absl::Status CommitLogImpl::EndCopy() {
  if (!IsCopying()) return absl::FailedPreconditionError("the log is not being copied");
  // The next Open rebuilds all from it: what it says must be on this disk.
  if (absl::Status synced = SyncAll(); !synced.ok()) return synced;
  return StopFor(
      {.from = segments_->First(), .phase = Refill::Phase::kRebuild},
      absl::FailedPreconditionError(
          "the log is copied: the state is rebuilt from it after a restart of the store"));
}

absl::Status CommitLogImpl::StopFor(const Refill& refill, absl::Status why) {
  absl::Status stopped = absl::UnavailableError("the log has stopped");
  CallOnLogThread(this, [&] {
    marks_.refill = refill;
    stopped = WriteReplicaMarks(*segments_, marks_);
    if (!stopped.ok()) return state_.Fail(stopped);
    stopped = std::move(why);
    state_.StopToReopen(stopped);
  });
  return stopped;
}

absl::Status CommitLogImpl::EndRefill() {
  marks_.refill.reset();
  return WriteReplicaMarks(*segments_, marks_);
}

absl::Status CommitLogImpl::StartAsSlave(LogObserver* observer) {
  environment_.time->NeverBefore(absl::FromUnixMillis(recovered_.last_store_time));
  if (IsCopying() && segments_->empty()) recovered_.end = marks_.refill->from;
  const LogOffset end = recovered_.end;
  if (!marks_.foreign_from.has_value()) {
    marks_.foreign_from = end;
    if (absl::Status marked = WriteReplicaMarks(*segments_, marks_); !marked.ok()) return marked;
  }
  // What was made ahead of the tail may have another length than the master's.
  while (!segments_->empty()) {
    const auto last = segments_->All().back();
    const bool is_empty = last->first() >= end;
    if (!is_empty || (last->first() == segments_->First() && end != 0)) break;
    if (absl::Status removed = segments_->RemoveLast(); !removed.ok()) return removed;
  }
  if (absl::Status synced = SyncRecovered(); !synced.ok()) return synced;
  absl::Status begun =
      writer_.BeginAsSlave(end, recovered_.epochs.last(), recovered_.last_store_time, observer);
  if (!begun.ok()) return begun;
  Run(end, observer);
  return absl::OkStatus();
}

}  // namespace mansio::store
