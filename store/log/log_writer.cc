#include "store/log/log_writer.h"

#include <algorithm>
#include <utility>

#include "store/log/append_encoding.h"
#include "store/log/observer_scope.h"

namespace mansio::store {
namespace {

// A batch is what was queued, up to this: the first in it should not wait for hundreds of
// megabytes.
constexpr uint64_t kMaxBatchBytes = 8 << 20;

// While the next segment cannot be made, the end of the active one is kept for what is not a
// message: acknowledgements, and the TRIM records that give space back.
constexpr uint64_t kMaxReserveBytes = 1 << 20;
uint64_t ReserveBytes(const Segment& segment) {
  return std::min(kMaxReserveBytes, segment.bytes() / 8);
}

}  // namespace

absl::Status LogWriter::Begin(LogOffset tail, Epoch epoch, StoreTime last_store_time,
                              LogObserver* observer) {
  position_ = tail;
  epoch_ = epoch;
  store_time_ = last_store_time;
  observer_ = observer;
  // A tail at the end of its segment goes on in the next one.
  auto segment = parts_.segments->Find(tail == 0 ? 0 : tail - 1);
  if (segment == nullptr) return absl::InternalError("the commit log has no segment at its tail");
  return Activate(std::move(segment));
}

absl::Status LogWriter::Activate(std::shared_ptr<const Segment> segment) {
  auto file = parts_.segments->files().Open(segment->path(), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  segment_ = std::move(segment);
  active_first_.store(segment_->first(), std::memory_order_relaxed);
  if (parts_.flusher != nullptr) parts_.flusher->AddFile(segment_->first(), file_);
  return absl::OkStatus();
}

void LogWriter::Run(SubmissionQueue& queue) {
  while (queue.Take(content_)) {
    Appends appends = absl::MakeSpan(content_.appends);
    while (!appends.empty()) {
      if (parts_.state->failed()) {
        FailAppends(appends, parts_.state->failure());
        if (parts_.committer != nullptr) {
          parts_.committer->Fail(parts_.state->failure(), /*for_good=*/true);
        }
        break;
      }
      BeginBatch();
      appends.remove_prefix(Fill(appends));
      if (!batch_.empty() || batch_.ends_segment()) Commit();
    }
    // What waits for slaves waits in vain, too.
    if (parts_.committer != nullptr && parts_.state->failed()) {
      parts_.committer->Fail(parts_.state->failure(), /*for_good=*/true);
    }
    if (!refusal_.ok()) RefuseQueued(queue);
    for (auto& job : content_.jobs) {
      parts_.state->Working();
      job();
    }
    parts_.state->Working();
    SettleFrames();
    content_.appends.clear();
    content_.jobs.clear();
    parts_.state->Idle();
  }
  if (parts_.committer != nullptr) {
    parts_.committer->Fail(absl::UnavailableError("the broker stopped before all of the in-sync "
                                                  "set had confirmed; send again"),
                           /*for_good=*/true);
  }
}

void LogWriter::BeginBatch() {
  parts_.state->Working();
  store_time_ = std::max(store_time_, parts_.time->NowMillis());
  batch_.Begin(position_, {.epoch = epoch_,
                           .synced = parts_.state->synced(),
                           .store_time = store_time_,
                           .segment_bytes = segment_->bytes()});
}

size_t LogWriter::Fill(Appends queue) {
  size_t taken = 0;
  while (taken < queue.size() && batch_.position() - batch_.begin() < kMaxBatchBytes) {
    const uint64_t room = segment_->end() - batch_.position();
    const Batch::Unit unit = Batch::Measure(queue.subspan(taken), room);
    const Appends appends = queue.subspan(taken, unit.appends);
    if (absl::Status status = Admit(unit); !status.ok()) {
      if (unit.messages == 0) {
        refusal_ = status;
        FailAppends(queue.subspan(taken), status);
        return queue.size();
      }
      FailAppends(appends, status);
      taken += unit.appends;
      continue;
    }
    if (unit.frame_bytes > room) {
      batch_.EndSegment(segment_->end());
      break;
    }
    batch_.Add(appends, unit, *observer_);
    taken += unit.appends;
  }
  return taken;
}

absl::Status LogWriter::Admit(const Batch::Unit& unit) {
  const uint64_t room = segment_->end() - batch_.position();
  absl::Status status;
  if (unit.frame_bytes > room) {
    status = parts_.preparer->WaitForNext(segment_->end());
  } else if (parts_.preparer->stuck() && unit.messages > 0 &&
             room - unit.frame_bytes < ReserveBytes(*segment_)) {
    status = parts_.preparer->problem();
  }
  refusing_.store(!status.ok(), std::memory_order_relaxed);
  return status;
}

void LogWriter::Commit() {
  const LogOffset end = batch_.position();
  parts_.preparer->Reserve(batch_.end());
  const int64_t began = metrics::NowNanos();
  if (absl::Status status = WriteBatch(); !status.ok()) {
    // Never appended, as far as anyone may know: the next start cuts what was written.
    parts_.state->Fail(status);
    FailBatch(parts_.state->failure());
    return;
  }
  CountBatch(began, metrics::NowNanos());
  position_ = end;
  parts_.state->appended.store(end);
  parts_.cache->Publish(end);
  Moved();  // slaves get it while it is flushed here
  if (parts_.committer != nullptr) {
    CommitLater();
  } else if (parts_.flusher == nullptr) {
    {
      const ObserverScope scope(observer_);
      AnswerAppended();
    }
    if (absl::Status status = SyncBatch(); !status.ok()) {
      FailBatch(status);
      return;
    }
    ApplyBatch();
  } else {
    ApplyBatch();
  }
  batch_.placed().clear();
  if (parts_.state->failed() || !batch_.ends_segment()) return;
  if (absl::Status status = Roll(); !status.ok()) parts_.state->Fail(status);
}

void LogWriter::CommitLater() {
  {
    const ObserverScope scope(observer_);
    AnswerAppended();
  }
  if (parts_.flusher == nullptr) {
    if (absl::Status status = SyncBatch(); !status.ok()) {
      FailBatch(status);
      parts_.committer->Fail(status, /*for_good=*/true);
      return;
    }
  }
  parts_.committer->Add(batch_);
  if (parts_.commits_alone) static_cast<void>(parts_.committer->Allow(position_));
  Moved();
  parts_.committer->Run();
}

void LogWriter::CommitAllowed() {
  const LogOffset before = parts_.committer->applied();
  parts_.committer->Run();
  if (parts_.committer->applied() != before) Moved();
}

void LogWriter::Moved() {
  if (moved_ != nullptr) moved_();
}

absl::Status LogWriter::WriteBatch() {
  if (batch_.pieces().empty()) return absl::OkStatus();
  const uint64_t at = batch_.begin() - segment_->first();
  if (batch_.pieces().size() == 1) return file_->Write(at, batch_.pieces().front());
  return file_->WriteGather(at, batch_.pieces());
}

void LogWriter::CountBatch(int64_t began, int64_t written) {
  if (parts_.stats == nullptr) return;
  parts_.stats->write_nanos.Record(written - began);
  parts_.stats->batch_appends.Record(static_cast<int64_t>(batch_.placed().size()));
  parts_.stats->batch_bytes.Record(static_cast<int64_t>(batch_.position() - batch_.begin()));
}

absl::Status LogWriter::SyncBatch() {
  const int64_t began = metrics::NowNanos();
  if (absl::Status status = file_->Datasync(); !status.ok()) parts_.state->Fail(status);
  if (parts_.stats != nullptr) parts_.stats->sync_nanos.Record(metrics::NowNanos() - began);
  // Also when someone else saw an error: ours may have been reported there.
  if (parts_.state->failed()) return parts_.state->failure();
  parts_.state->SetSynced(position_);
  return absl::OkStatus();
}

void LogWriter::ApplyBatch() {
  parts_.state->committed.store(position_);
  parts_.state->uncommitted.fetch_sub(batch_.accepted_bytes(), std::memory_order_relaxed);
  const ObserverScope scope(observer_);
  if (parts_.flusher != nullptr) AnswerAppended();
  batch_.ForEachRecord([this](const RecordView& record, uint32_t record_bytes) {
    observer_->Apply(record, record_bytes);
  });
  parts_.state->applied.store(position_);
  AnswerApplied();
  Moved();
}

void LogWriter::AnswerAppended() {
  for (auto& placed : batch_.placed()) placed.append->Appended(placed.result);
}

void LogWriter::AnswerApplied() {
  for (auto& placed : batch_.placed()) placed.append->Applied(placed.result);
}

void LogWriter::FailBatch(const absl::Status& status) {
  {
    const ObserverScope scope(observer_);
    for (auto& placed : batch_.placed()) placed.append->Failed(status);
  }
  parts_.state->uncommitted.fetch_sub(batch_.accepted_bytes(), std::memory_order_relaxed);
  batch_.placed().clear();
}

void LogWriter::FailAppends(Appends appends, const absl::Status& status) {
  const ObserverScope scope(observer_);
  for (auto& append : appends) {
    parts_.state->uncommitted.fetch_sub(append->size(), std::memory_order_relaxed);
    append->Failed(status);
    append.reset();
  }
}

void LogWriter::RefuseQueued(SubmissionQueue& queue) {
  SubmissionQueue::Content behind = queue.TakeQueued();
  FailAppends(absl::MakeSpan(behind.appends), std::exchange(refusal_, absl::OkStatus()));
  for (SubmissionQueue::Job& job : behind.jobs) content_.jobs.push_back(std::move(job));
}

absl::Status LogWriter::Roll() {
  const LogOffset next = segment_->end();
  NoteEnded();
  // Else when it is applied.
  if (parts_.committer == nullptr) observer_->SegmentEnded(segment_->first(), next);
  auto segment = parts_.segments->Find(next);
  if (segment == nullptr) {
    return absl::InternalError("the commit log's next file has disappeared");
  }
  parts_.preparer->Rolled(segment);
  return Activate(std::move(segment));
}

void LogWriter::NoteEnded() {
  MutexLock lock(&mutex_);
  ended_.push_back({segment_->first(), store_time_});
}

std::vector<LogWriter::Ended> LogWriter::ended() const {
  MutexLock lock(&mutex_);
  return ended_;
}

}  // namespace mansio::store
