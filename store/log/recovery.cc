#include "store/log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "common/logging/logging.h"
#include "store/log/log_scanner.h"
#include "store/log/log_source.h"
#include "store/log/record_codec.h"
#include "store/log/tail_cut.h"

namespace mansio::store {

// Tells the caller which segments the scan has left behind.
class Recovery::SegmentProgress {
 public:
  SegmentProgress(LogSource& source, LogOffset from, SegmentEnded ended)
      : source_(source), span_(source.SegmentAt(from)), ended_(ended) {}

  void Reached(LogOffset offset) {
    while (span_.has_value() && offset >= span_->end) {
      const LogSource::Span left = *span_;
      span_ = source_.SegmentAt(left.end);
      ended_(left.first, left.end);
    }
  }

 private:
  LogSource& source_;
  std::optional<LogSource::Span> span_;
  SegmentEnded ended_;
};

namespace {

// Of the log that is read, before it is asked again whether to give up.
constexpr uint64_t kAskEveryBytes = 1 << 20;

absl::Status UnknownVersion(const std::string& path, LogOffset at) {
  return absl::FailedPreconditionError(fmt::format(
      "{} has a frame at log offset {} in a format that this build does not know: it was "
      "written by a newer Mansio; start that version",
      path, at));
}

}  // namespace

absl::Status Recovery::FindStart(const RecoveryStart& start, LogOffset* from) const {
  *from = start.offset == 0 ? segments_->First() : start.offset;
  if (*from > segments_->End()) {
    return absl::OutOfRangeError(
        fmt::format("the commit log in {} ends at offset {}, before its checkpoint at offset {}",
                    segments_->directory(), segments_->End(), *from));
  }
  if (*from < segments_->First()) {
    return absl::DataLossError(fmt::format(
        "the commit log in {} begins at offset {}, but its checkpoint needs it from offset "
        "{} on: files are missing. Restore them from a copy",
        segments_->directory(), segments_->First(), *from));
  }
  return absl::OkStatus();
}

absl::Status Recovery::FoldFrames(LogScanner& scanner, LogOffset until, Fold fold,
                                  SegmentProgress& progress) {
  LogOffset ask_at = scanner.position();
  for (;;) {
    if (scanner.position() >= ask_at) {
      if (give_up_ != nullptr && give_up_()) return absl::CancelledError("reading was given up");
      ask_at = scanner.position() + kAskEveryBytes;
    }
    auto frame = scanner.Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) break;
    const FrameHeader& header = (*frame)->header;
    const bool folds = header.offset < until;
    if (folds) progress.Reached(header.offset);
    epochs_.Note({header.epoch, header.offset,
                  header.kind == FrameKind::kEpoch ? header.store_time : StoreTime{0}});
    absl::Status folded;
    const auto visit = [&](const RecordView& record, uint32_t bytes) {
      if (folds && folded.ok()) folded = fold(record, bytes);
    };
    const FrameFault fault = ForEachRecord(header, (*frame)->bytes, /*replay=*/true, visit);
    if (!folded.ok()) return folded;
    if (fault != FrameFault::kNone) {
      // Checksums are right: no power cut does this, so salvage could not help either.
      return absl::DataLossError(
          fmt::format("the commit log has a malformed record in the frame at offset {}: {}",
                      header.offset, FaultText(fault)));
    }
    if (folds) folded_ = scanner.position();
  }
  if (scanner.position() <= until) folded_ = scanner.position();
  progress.Reached(folded_);
  return absl::OkStatus();
}

absl::StatusOr<Recovery::End> Recovery::LookAtEnd(const RecoveryStart& start,
                                                  const LogScanner& scanner,
                                                  LogSource& source) const {
  End end{.at = scanner.position(),
          .fault = scanner.fault(),
          .segment_bytes = scanner.segment_bytes(),
          .segment = segments_->Find(scanner.position())};
  if (end.fault == FrameFault::kVersion) return UnknownVersion(end.segment->path(), end.at);
  auto beyond = SearchBeyond(source, end.at, scanner.epoch(), foreign_from_);
  if (!beyond.ok()) return beyond.status();
  end.beyond = *beyond;
  end.synced = std::max(scanner.synced(), beyond->synced);
  const bool written = beyond->written_end > end.at || end.fault == FrameFault::kHeader;
  // A newer reign that began below the claim had cut the log there.
  if (written && scanner.epoch() <= start.claimed_epoch) {
    end.synced = std::max(end.synced, start.claimed);
  }
  return end;
}

absl::StatusOr<RecoveryReport> Recovery::Run(const RecoveryStart& start, Fold fold,
                                             SegmentEnded segment_ended) {
  LogOffset from = 0;
  if (absl::Status status = FindStart(start, &from); !status.ok()) return status;
  SegmentSource source(segments_);
  SegmentProgress progress(source, from, segment_ended);
  LogScanner scanner(&source, from, start.epoch, start.synced, start.store_time, foreign_from_);
  epochs_ = start.epochs;
  epochs_.Note({start.epoch, from, /*began=*/0});
  folded_ = from;
  if (absl::Status status = FoldFrames(scanner, start.fold_until, fold, progress); !status.ok()) {
    return status;
  }
  const auto end = LookAtEnd(start, scanner, source);
  if (!end.ok()) return end.status();
  if (absl::Status status = MakeWritable(*end); !status.ok()) return status;
  const LogOffset written_end = std::max(end->at, end->beyond.written_end);
  return RecoveryReport{.first = segments_->First(),
                        .end = end->at,
                        .folded = folded_,
                        .epochs = epochs_,
                        // A torn reign's epoch is not used again either.
                        .last_epoch = std::max({scanner.epoch(), start.epoch, end->beyond.epoch}),
                        .last_store_time = scanner.store_time(),
                        .replayed_bytes = end->at - from,
                        .cut_bytes = written_end - end->at,
                        .synced = std::min(end->synced, end->at)};
}

absl::Status Recovery::MakeWritable(const End& end) {
  absl::Status status;
  if (!end.IsDamage()) {
    status = ZeroLog(*segments_, end.at, end.beyond.written_end);
  } else {
    status = salvage_ ? Salvage(end) : Damage(end);
  }
  return status.ok() ? RemoveUnusable(end.at) : status;
}

std::string Recovery::Describe(const End& end) const {
  std::string where;
  if (end.segment == nullptr) {
    where = fmt::format("{} ends at log offset {}",
                        JoinPath(segments_->directory(), SegmentName(end.at)), end.at);
  } else {
    where =
        fmt::format("in {} at byte {} (log offset {}) {}", end.segment->path(),
                    end.at - end.segment->first(), end.at,
                    end.CutShort() ? fmt::format("the log breaks off, and the file has {} bytes "
                                                 "instead of {}",
                                                 end.segment->bytes(), end.segment_bytes)
                                   : std::string(FaultText(end.fault)));
  }
  const std::string reach = end.beyond.frame.has_value()
                                ? fmt::format("good frames go on at offset {}, {} bytes further",
                                              *end.beyond.frame, *end.beyond.frame - end.at)
                                : "no good frame follows";
  return fmt::format("the commit log is damaged: {}; {}; it was durable up to offset {} at least",
                     where, reach, std::max(end.synced, end.at));
}

absl::Status Recovery::Damage(const End& end) const {
  return absl::DataLossError(fmt::format(
      "{}. Restore the file from a copy, or start once with store.salvage=true, which keeps the "
      "log up to offset {} and moves the rest aside into files *{}",
      Describe(end), end.at, kSalvagedSuffix));
}

absl::Status Recovery::Salvage(const End& end) {
  LOG_WARNING("Salvage: {}. It is kept up to offset {}; the rest goes to files *{} in {}.",
              Describe(end), end.at, kSalvagedSuffix, segments_->directory());
  if (absl::Status status = MoveTailAside(*segments_, end.at); !status.ok()) return status;
  if (end.segment == nullptr) return absl::OkStatus();
  const uint64_t length = std::max(end.segment_bytes, end.segment->bytes());
  const uint64_t whole =
      (length + kSegmentGranularity - 1) / kSegmentGranularity * kSegmentGranularity;
  if (whole != end.segment->bytes()) {
    if (absl::Status status = segments_->ExtendLast(whole); !status.ok()) return status;
  }
  return ZeroLog(*segments_, end.at, end.segment->first() + whole);
}

absl::Status Recovery::RemoveUnusable(LogOffset end) {
  while (!segments_->empty()) {
    const auto last = segments_->All().back();
    if (last->first() <= end || last->bytes() == segment_bytes_) break;
    if (absl::Status status = segments_->RemoveLast(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace mansio::store
