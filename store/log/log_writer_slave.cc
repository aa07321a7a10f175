// What a slave's log thread does: frames of its master in, and the tail out that its master does
// not have.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "store/log/frame_codec.h"
#include "store/log/frame_reader.h"
#include "store/log/log_writer.h"

namespace mansio::store {
namespace {

// So many bytes are flushed for long enough that the master had better know what is written.
constexpr uint64_t kWorthTelling = 1 << 20;

}  // namespace

absl::Status LogWriter::BeginAsSlave(LogOffset tail, Epoch epoch, StoreTime last_store_time,
                                     LogObserver* observer) {
  position_ = tail;
  epoch_ = epoch;
  store_time_ = last_store_time;
  observer_ = observer;
  auto segment = parts_.segments->Find(tail == 0 ? 0 : tail - 1);
  if (segment == nullptr && tail != 0) segment = parts_.segments->Find(tail);
  return segment == nullptr ? absl::OkStatus() : Activate(std::move(segment));
}

void LogWriter::AppendFrames(std::string_view frames, FramesDone done) {
  absl::Status taken = TakeFrames(frames);
  const bool good = taken.ok();
  taken_.push_back({std::move(taken), std::move(done)});
  // The master sends on while much is flushed here.
  const bool is_much = position_ - parts_.state->synced() >= kWorthTelling;
  if (good && (parts_.flusher != nullptr || is_much)) Moved();
}

void LogWriter::SettleFrames() {
  if (taken_.empty()) return;
  const absl::Status synced = SyncFrames();
  Moved();
  parts_.committer->Run();
  for (Taken& taken : std::exchange(taken_, {})) {
    taken.done(taken.status.ok() ? synced : taken.status);
  }
}

absl::Status LogWriter::SyncFrames() {
  if (parts_.state->failed()) return parts_.state->failure();
  const bool is_due = parts_.flusher == nullptr && parts_.state->synced() < position_;
  return is_due && file_ != nullptr ? SyncBatch() : absl::OkStatus();
}

absl::Status LogWriter::TakeFrames(std::string_view frames) {
  if (parts_.state->failed()) return parts_.state->failure();
  const auto checked = CheckFrames(frames, epoch_);
  if (!checked.ok()) return checked.status();
  const LogOffset segment_end = segment_ == nullptr ? position_ : segment_->end();
  const bool next_segment = checked->first == segment_end && position_ <= segment_end &&
                            segment_end - position_ < kFrameHeaderBytes;
  if (frames.empty() || (checked->first != position_ && !next_segment)) {
    return absl::OutOfRangeError(
        fmt::format("frames of {} bytes for offset {} do not follow the log, which ends at {}",
                    frames.size(), checked->first, position_));
  }
  if (next_segment) {
    absl::Status made = NextSegment(checked->first, checked->segment_bytes);
    if (!made.ok()) return made;
  }
  if (checked->segment_bytes != segment_->bytes() || checked->end > segment_->end()) {
    return absl::DataLossError(
        fmt::format("frames up to offset {} for a segment of {} bytes do not fit {}, which has {}",
                    checked->end, checked->segment_bytes, segment_->path(), segment_->bytes()));
  }
  if (absl::Status written = WriteFrames(frames, checked->first); !written.ok()) return written;
  store_time_ = std::max(store_time_, checked->store_time);
  for (const EpochStart& reign : checked->new_reigns) {
    epoch_ = reign.epoch;
    parts_.state->NoteEpoch(reign);
  }
  position_ = checked->ends_segment ? segment_->end() : checked->end;
  parts_.state->appended.store(position_);
  parts_.cache->Publish(position_);
  return absl::OkStatus();
}

absl::Status LogWriter::WriteFrames(std::string_view frames, LogOffset at) {
  char* const copy = parts_.cache->Reserve(at, frames.size());
  std::memcpy(copy, frames.data(), frames.size());
  const absl::Status written =
      file_->Write(at - segment_->first(), std::string_view(copy, frames.size()));
  if (written.ok()) return absl::OkStatus();
  parts_.state->Fail(written);
  return parts_.state->failure();
}

absl::Status LogWriter::NextSegment(LogOffset first, uint64_t bytes) {
  if (bytes < kMinSegmentBytes || bytes % kSegmentGranularity != 0) {
    return absl::DataLossError(fmt::format(
        "the frame at offset {} names a segment of {} bytes, which there cannot be", first, bytes));
  }
  // The flush to come is one of the new file.
  if (absl::Status synced = SyncFrames(); !synced.ok()) return synced;
  auto made = CreateSegment(parts_.segments->files(), parts_.segments->directory(), first, bytes);
  if (!made.ok()) return made.status();
  parts_.segments->Add(*std::move(made));
  if (segment_ != nullptr) NoteEnded();
  return Activate(parts_.segments->Find(first));
}

absl::Status LogWriter::TruncateTo(LogOffset offset, ReplicaMarks& marks) {
  if (parts_.state->failed()) return parts_.state->failure();
  // Less than a frame: a log that ends there ends at its segment's end as well.
  const bool at_segment_end =
      segment_ != nullptr && position_ == segment_->end() && position_ - offset < kFrameHeaderBytes;
  if (offset >= position_ || at_segment_end) return absl::OkStatus();
  marks.truncation = Truncation{offset, position_};
  absl::Status cut = WriteReplicaMarks(*parts_.segments, marks);
  if (cut.ok() && offset < parts_.committer->applied()) {
    // Cursors, queues and what the broker has told others: none of it can be taken back.
    cut = absl::FailedPreconditionError(fmt::format(
        "its master's history leaves this log at offset {}, and the log is applied up to {}: it is "
        "cut at the next start, and the state is rebuilt from what remains",
        offset, parts_.committer->applied()));
    parts_.state->StopToReopen(cut);
    return cut;
  }
  // What stays must not be forgotten with the files that go.
  if (cut.ok() && parts_.flusher != nullptr) cut = parts_.flusher->FlushNow();
  if (cut.ok() && parts_.flusher != nullptr) {
    parts_.flusher->Restart([&] { cut = CutTo(offset, marks); });
    if (cut.ok() && segment_ != nullptr) parts_.flusher->AddFile(segment_->first(), file_);
  } else if (cut.ok()) {
    cut = CutTo(offset, marks);
  }
  if (!cut.ok()) {
    parts_.state->Fail(cut);
    return parts_.state->failure();
  }
  Moved();
  return absl::OkStatus();
}

absl::Status LogWriter::CutTo(LogOffset offset, ReplicaMarks& marks) {
  if (absl::Status cut = FinishTruncation(*parts_.segments, marks); !cut.ok()) return cut;
  EpochHistory epochs = parts_.state->epochs();
  epochs.TruncateTo(offset);
  epoch_ = epochs.last();
  parts_.state->SetEpochs(std::move(epochs));
  parts_.cache->Restart(offset);
  position_ = offset;
  parts_.state->appended.store(offset);
  parts_.state->SetSynced(std::min(parts_.state->synced(), offset));
  // A segment that has become empty is made again, perhaps with another length.
  const auto last = parts_.segments->All().back();
  if (last->first() >= offset && (last->first() > parts_.segments->First() || offset == 0)) {
    if (absl::Status removed = parts_.segments->RemoveLast(); !removed.ok()) return removed;
  }
  segment_ = parts_.segments->Find(offset == 0 ? 0 : offset - 1);
  if (segment_ == nullptr) segment_ = parts_.segments->Find(offset);
  file_.reset();
  if (segment_ == nullptr) return absl::OkStatus();
  auto file = parts_.segments->files().Open(segment_->path(), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  active_first_.store(segment_->first(), std::memory_order_relaxed);
  return absl::OkStatus();
}

}  // namespace mansio::store
