#include "store/log/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "store/log/log_scanner.h"
#include "store/log/log_source.h"
#include "store/log/record_codec.h"
#include "store/log/tail_cut.h"

namespace mansio::store {
namespace {

// Tells the caller which segments the scan has left behind.
class SegmentProgress {
 public:
  SegmentProgress(LogSource& source, LogOffset from, Recovery::SegmentEnded ended)
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
  Recovery::SegmentEnded ended_;
};

// The first bad frame and what is known about it.
struct End {
  LogOffset at = 0;
  FrameFault fault = FrameFault::kNone;
  LogOffset synced = 0;                    // S
  uint64_t segment_bytes = 0;              // that the file should have, 0 when not known
  std::shared_ptr<const Segment> segment;  // nullptr at the very end of the last file
  Beyond beyond;

  bool CutShort() const { return segment != nullptr && segment_bytes > segment->bytes(); }
  bool IsDamage() const { return at < synced || CutShort(); }
};

absl::Status Damage(const SegmentSet& segments, const End& end) {
  std::string where;
  if (end.segment == nullptr) {
    where = fmt::format("{} ends at log offset {}",
                        JoinPath(segments.directory(), SegmentName(end.at)), end.at);
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
  return absl::DataLossError(fmt::format(
      "the commit log is damaged: {}; {}; it was durable up to offset {} at least. Restore "
      "the file from a copy, or start once with store.salvage=true, which keeps the log up "
      "to offset {} and moves the rest aside into files *{}",
      where, reach, std::max(end.synced, end.at), end.at, kSalvagedSuffix));
}

absl::Status UnknownVersion(const End& end) {
  return absl::FailedPreconditionError(fmt::format(
      "{} has a frame at log offset {} in a format that this build does not know: it was "
      "written by a newer Mansio; start that version",
      end.segment->path(), end.at));
}

// The log up to the damage goes on; what was behind it is in files "*.salvaged".
absl::Status Salvage(SegmentSet& segments, const End& end) {
  if (absl::Status status = MoveTailAside(segments, end.at); !status.ok()) return status;
  if (end.segment == nullptr) return absl::OkStatus();
  const uint64_t length = std::max(end.segment_bytes, end.segment->bytes());
  const uint64_t whole =
      (length + kSegmentGranularity - 1) / kSegmentGranularity * kSegmentGranularity;
  if (whole != end.segment->bytes()) {
    if (absl::Status status = segments.ExtendLast(whole); !status.ok()) return status;
  }
  return ZeroLog(segments, end.at, end.segment->first() + whole);
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

absl::StatusOr<RecoveryReport> Recovery::Run(const RecoveryStart& start, Fold fold,
                                             SegmentEnded segment_ended) {
  LogOffset from = 0;
  if (absl::Status status = FindStart(start, &from); !status.ok()) return status;
  SegmentSource source(segments_);
  SegmentProgress progress(source, from, segment_ended);
  LogScanner scanner(&source, from, start.epoch, start.synced, start.store_time);
  End end;
  for (;;) {
    auto frame = scanner.Next();
    if (!frame.ok()) return frame.status();
    if (!frame->has_value()) break;
    progress.Reached((*frame)->header.offset);
    absl::Status folded;
    const auto visit = [&](const RecordView& record, uint32_t bytes) {
      if (folded.ok()) folded = fold(record, bytes);
    };
    const FrameFault fault = ForEachRecord((*frame)->header, (*frame)->bytes, true, visit);
    if (!folded.ok()) return folded;
    if (fault != FrameFault::kNone) {
      // Checksums are right: no power cut does this, so salvage could not help either.
      return absl::DataLossError(
          fmt::format("the commit log has a malformed record at offset {}: {}",
                      (*frame)->header.offset, FaultText(fault)));
    }
  }
  progress.Reached(scanner.position());

  end.at = scanner.position();
  end.fault = scanner.fault();
  end.segment = segments_->Find(end.at);
  end.segment_bytes = scanner.segment_bytes();
  if (end.fault == FrameFault::kVersion) return UnknownVersion(end);
  auto beyond = SearchBeyond(source, end.at, scanner.epoch());
  if (!beyond.ok()) return beyond.status();
  end.beyond = *beyond;
  end.synced = std::max(scanner.synced(), beyond->synced);

  RecoveryReport report{.first = segments_->First(),
                        .end = end.at,
                        // A torn reign's epoch is not used again either.
                        .last_epoch = std::max({scanner.epoch(), start.epoch, beyond->epoch}),
                        .last_store_time = scanner.store_time(),
                        .replayed_bytes = end.at - from};
  if (end.beyond.written_end > end.at) report.cut_bytes = end.beyond.written_end - end.at;
  absl::Status status;
  if (end.IsDamage()) {
    if (!salvage_) return Damage(*segments_, end);
    status = Salvage(*segments_, end);
  } else {
    status = ZeroLog(*segments_, end.at, std::max(end.at, end.beyond.written_end));
  }
  if (status.ok()) status = RemoveUnusable(end.at);
  if (!status.ok()) return status;
  return report;
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
