#include "store/log/log_scanner.h"

#include <algorithm>

namespace mansio::store {
namespace {

constexpr size_t kMaxHeaderBytes = PayloadStart(kMaxAssignments);

// The end of the frame with this header: a filler lasts to the end of its segment.
LogOffset EndOf(const FrameHeader& header, const LogSource::Span& segment) {
  return header.kind == FrameKind::kFiller ? segment.end : header.offset + FrameBytes(header);
}

}  // namespace

LogScanner::LogScanner(LogSource* source, LogOffset from, Epoch epoch, LogOffset synced,
                       StoreTime store_time, LogOffset foreign_from)
    : source_(source),
      foreign_from_(foreign_from),
      position_(from),
      epoch_(epoch),
      synced_(synced),
      store_time_(store_time) {}

FrameFault LogScanner::Check(const LogSource::Span& segment, std::string_view bytes,
                             FrameHeader* header) {
  if (const FrameFault fault = DecodeFrameHeader(bytes, header); fault != FrameFault::kNone) {
    return fault;
  }
  if (header->offset != position_) return FrameFault::kOffset;
  segment_bytes_ = header->segment_bytes;
  if (header->synced > position_ || position_ + FrameBytes(*header) > segment.end) {
    return FrameFault::kHeader;
  }
  const bool begins_reign = header->kind == FrameKind::kEpoch && header->epoch > epoch_;
  if (epoch_ != 0 && header->epoch != epoch_ && !begins_reign) return FrameFault::kEpoch;
  return FrameFault::kNone;
}

void LogScanner::Accept(const FrameHeader& header, const LogSource::Span& segment) {
  if (epoch_ != 0 && header.epoch > epoch_) synced_ = std::min(synced_, position_);
  if (header.offset < foreign_from_) synced_ = std::max(synced_, header.synced);
  epoch_ = header.epoch;
  store_time_ = std::max(store_time_, header.store_time);
  position_ = EndOf(header, segment);
}

absl::StatusOr<std::optional<LogScanner::Frame>> LogScanner::Next() {
  while (fault_ == FrameFault::kNone) {
    const auto segment = source_->SegmentAt(position_);
    if (!segment.has_value()) {
      fault_ = FrameFault::kEnd;
      break;
    }
    if (position_ == segment->first) segment_bytes_ = 0;
    if (segment->end - position_ < kFrameHeaderBytes) {  // too little even for a filler
      position_ = segment->end;
      continue;
    }
    auto bytes = source_->Peek(position_, kMaxHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    Frame frame;
    fault_ = Check(*segment, *bytes, &frame.header);
    if (fault_ != FrameFault::kNone) break;
    const size_t size = FrameBytes(frame.header);
    if (bytes->size() < size) {
      bytes = source_->Peek(position_, size);
      if (!bytes.ok()) return bytes.status();
    }
    fault_ = CheckPayload(*bytes, frame.header);
    if (fault_ != FrameFault::kNone) break;
    Accept(frame.header, *segment);
    if (frame.header.kind == FrameKind::kFiller) continue;
    frame.bytes = bytes->substr(0, size);
    return frame;
  }
  return std::nullopt;
}

namespace {

constexpr size_t kBlockBytes = 4096;
// Zeros are passed over in large steps: asking the file system for the next data costs more than
// looking at a block.
constexpr size_t kZeroBytes = 1 << 20;

bool AllZero(std::string_view bytes) {
  return bytes[0] == 0 && bytes.substr(1) == bytes.substr(0, bytes.size() - 1);
}

// The first place in `bytes` where a frame could begin, or npos.
size_t FindCandidate(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); at += kFrameAlignment) {
    if (LooksLikeFrame(bytes.substr(at))) return at;
  }
  return std::string_view::npos;
}

// The search through one segment.
class SegmentSearch {
 public:
  // `bad` is the frame that the search begins at.
  SegmentSearch(LogSource& source, LogSource::Span segment, LogOffset bad, Epoch epoch,
                LogOffset foreign_from, Beyond& found)
      : source_(source),
        segment_(segment),
        bad_(bad),
        epoch_(epoch),
        foreign_from_(foreign_from),
        found_(found) {}

  absl::Status Run(LogOffset at) {
    while (at < segment_.end) {
      auto block = source_.Peek(at, kBlockBytes);
      if (!block.ok()) return block.status();
      if (block->empty()) break;  // the file ends here
      if (AllZero(*block)) {
        auto after = PassZeros(at);
        if (!after.ok()) return after.status();
        at = *after;
        continue;
      }
      data_end_ = std::max(data_end_, at + block->find_last_not_of('\0') + 1);
      const size_t candidate = FindCandidate(*block);
      if (candidate == std::string_view::npos) {
        at += block->size();
        continue;
      }
      auto next = Look(at + candidate);
      if (!next.ok()) return next.status();
      at = *next;
    }
    // Where a file was reused, old bytes say nothing about what was written since.
    found_.written_end = std::max(found_.written_end, foreign_ ? frames_end_ : data_end_);
    return absl::OkStatus();
  }

 private:
  // A block of zeros begins at `at`; returns where to go on. The file system is asked at each place
  // before anything is read there, and nothing behind the next hole is read, because what was read
  // counts as data from then on.
  absl::StatusOr<LogOffset> PassZeros(LogOffset at) {
    at += kBlockBytes;
    while (at < segment_.end) {
      const LogOffset data = source_.NextData(at) / kFrameAlignment * kFrameAlignment;
      if (data > at) return data;
      const LogOffset hole = source_.NextHole(at);
      auto bytes = source_.Peek(at, std::clamp<uint64_t>(hole - at, kBlockBytes, kZeroBytes));
      if (!bytes.ok()) return bytes.status();
      if (bytes->empty()) break;
      if (!AllZero(*bytes)) return at;
      at += bytes->size();
    }
    return segment_.end;
  }

  // Looks at a possible frame; returns where to go on.
  absl::StatusOr<LogOffset> Look(LogOffset at) {
    const LogOffset next = at + kFrameAlignment;
    auto bytes = source_.Peek(at, kMaxHeaderBytes);
    if (!bytes.ok()) return bytes.status();
    FrameHeader header;
    if (DecodeFrameHeader(*bytes, &header) != FrameFault::kNone) return next;
    if (header.offset != at) {
      foreign_ = true;
      return next;
    }
    if (header.epoch < epoch_ || header.synced > at || at + FrameBytes(header) > segment_.end) {
      return next;
    }
    if (at != bad_ && !found_.frame.has_value()) found_.frame = at;
    if (at < foreign_from_) found_.synced = std::max(found_.synced, header.synced);
    found_.epoch = std::max(found_.epoch, header.epoch);
    frames_end_ = std::max(frames_end_, at + FrameBytes(header));
    data_end_ = std::max(data_end_, frames_end_);
    return EndOf(header, segment_);
  }

  LogSource& source_;
  const LogSource::Span segment_;
  const LogOffset bad_;
  const Epoch epoch_;
  const LogOffset foreign_from_;
  Beyond& found_;
  LogOffset frames_end_ = 0;
  LogOffset data_end_ = 0;
  bool foreign_ = false;
};

}  // namespace

absl::StatusOr<Beyond> SearchBeyond(LogSource& source, LogOffset from, Epoch epoch,
                                    LogOffset foreign_from) {
  Beyond found;
  LogOffset at = (from + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  while (const auto segment = source.SegmentAt(at)) {
    SegmentSearch search(source, *segment, from, epoch, foreign_from, found);
    // Read-ahead would fill the reserved space with cached zeros, which the file system then takes
    // for data: the search would have to look at all of it.
    source.SetReadAhead(at, false);
    absl::Status status = search.Run(at);
    source.SetReadAhead(at, true);
    if (!status.ok()) return status;
    at = segment->end;
  }
  return found;
}

}  // namespace mansio::store
