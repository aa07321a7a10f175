#include "store/log/frame_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "store/log/frame_codec.h"
#include "store/log/record_codec.h"

namespace mansio::store {
namespace {

absl::StatusOr<LogBytes> ReadHotOrCold(const SegmentSet& segments, const TailCache& cache,
                                       LogOffset from, size_t bytes) {
  if (std::optional<LogBytes> hot = cache.Find(from, bytes)) return *std::move(hot);
  std::shared_ptr<char[]> buffer(new char[bytes]);
  const auto read = segments.Read(from, buffer.get(), bytes);
  if (!read.ok()) return read.status();
  const std::string_view view(buffer.get(), *read);
  return LogBytes{std::move(buffer), view};
}

absl::Status NoFrame(const SegmentSet& segments, LogOffset at, FrameFault fault) {
  return absl::DataLossError(fmt::format(
      "the commit log in {} cannot be read at offset {}: {}; check the disk and restore "
      "the file from a copy",
      segments.directory(), at, FaultText(fault)));
}

// Whole frames at the front of `run.bytes`: cuts the rest off and sets `next`. kEnd when not even
// one is whole; then `needed` is what the first one takes.
FrameFault KeepWholeFrames(LogOffset segment_end, FrameRun& run, size_t* needed) {
  size_t taken = 0;
  for (;;) {
    const std::string_view rest = run.bytes.bytes.substr(taken);
    FrameHeader header;
    const FrameFault fault = DecodeFrameHeader(rest, &header);
    const bool whole = fault == FrameFault::kNone && FrameBytes(header) <= rest.size();
    if (fault == FrameFault::kNone && header.offset != run.first + taken)
      return FrameFault::kOffset;
    if (!whole && taken == 0) {
      *needed = fault == FrameFault::kNone ? FrameBytes(header) : PayloadStart(kMaxAssignments);
      return fault == FrameFault::kNone ? FrameFault::kEnd : fault;
    }
    // What is wrong behind the first frame is told when it has become the first one.
    if (!whole) break;
    taken += FrameBytes(header);
    run.next = run.first + taken;
    if (header.kind == FrameKind::kFiller) run.next = segment_end;
    if (run.next == segment_end) break;
  }
  run.bytes.bytes = run.bytes.bytes.substr(0, taken);
  return FrameFault::kNone;
}

// No checksum covers it, and the log is to be the same byte by byte.
bool PaddingIsZero(std::string_view frame, const FrameHeader& header) {
  const size_t end = PayloadStart(header.assignments) + header.payload_bytes;
  const std::string_view padding = frame.substr(end, FrameBytes(header) - end);
  return std::all_of(padding.begin(), padding.end(), [](char c) { return c == 0; });
}

}  // namespace

absl::StatusOr<FrameRun> ReadFrameRun(const SegmentSet& segments, const TailCache& cache,
                                      LogOffset from, LogOffset limit, size_t max_bytes) {
  FrameRun run{.first = from, .next = from};
  for (size_t wanted = max_bytes;;) {
    if (run.first >= limit) return FrameRun{.first = run.first, .next = run.first};
    const auto segment = segments.Find(run.first);
    if (segment == nullptr) {
      return absl::NotFoundError(fmt::format("offset {} is no longer in the commit log {}",
                                             run.first, segments.directory()));
    }
    if (segment->end() - run.first < kFrameHeaderBytes) {  // too little even for a filler
      run.first = run.next = segment->end();
      continue;
    }
    const size_t room = std::min(limit, segment->end()) - run.first;
    const size_t bytes = std::min(wanted, room);
    auto read = ReadHotOrCold(segments, cache, run.first, bytes);
    if (!read.ok()) return read.status();
    run.bytes = *std::move(read);
    size_t needed = 0;
    const FrameFault fault = KeepWholeFrames(segment->end(), run, &needed);
    if (fault == FrameFault::kNone) return run;
    if (fault != FrameFault::kEnd) return NoFrame(segments, run.first, fault);
    if (needed <= bytes || bytes == room) {
      // Beyond the limit, or the file ends inside it.
      if (run.bytes.bytes.size() == bytes) return FrameRun{.first = from, .next = from};
      return NoFrame(segments, run.first, fault);
    }
    wanted = needed;
  }
}

absl::StatusOr<CheckedFrames> CheckFrames(std::string_view frames, Epoch epoch) {
  CheckedFrames checked;
  const auto bad = [&](FrameFault fault) {
    return absl::DataLossError(
        fmt::format("the frame at offset {} cannot be taken: {}", checked.end, FaultText(fault)));
  };
  for (bool is_first = true; !frames.empty(); is_first = false) {
    FrameHeader header;
    FrameFault fault = DecodeFrameHeader(frames, &header);
    if (fault == FrameFault::kNone) fault = CheckPayload(frames, header);
    if (fault == FrameFault::kNone && !PaddingIsZero(frames, header)) fault = FrameFault::kPayload;
    if (fault != FrameFault::kNone) return bad(fault);
    if (is_first) {
      checked.first = checked.end = header.offset;
      checked.segment_bytes = header.segment_bytes;
    }
    if (checked.ends_segment || header.offset != checked.end) return bad(FrameFault::kOffset);
    if (header.segment_bytes != checked.segment_bytes || header.synced > header.offset) {
      return bad(FrameFault::kHeader);
    }
    // The EPOCH frame of the oldest reign may have gone.
    const bool is_oldest = is_first && epoch == 0 && header.offset > 0;
    const bool begins = header.kind == FrameKind::kEpoch;
    if (header.epoch < epoch || (header.epoch > epoch && !begins && !is_oldest)) {
      return absl::FailedPreconditionError(
          fmt::format("the frame at offset {} is of epoch {}, and the log is in epoch {}",
                      checked.end, header.epoch, epoch));
    }
    const size_t size = FrameBytes(header);
    fault = ForEachRecord(header, frames.substr(0, size), /*replay=*/false,
                          [](const RecordView&, uint32_t) {});
    if (fault != FrameFault::kNone) return bad(fault);
    if (header.epoch > epoch) {
      epoch = header.epoch;
      checked.new_reigns.push_back(
          {header.epoch, header.offset, begins ? header.store_time : StoreTime{0}});
    }
    checked.store_time = std::max(checked.store_time, header.store_time);
    checked.ends_segment = header.kind == FrameKind::kFiller;
    checked.end += size;
    frames.remove_prefix(size);
  }
  return checked;
}

}  // namespace mansio::store
