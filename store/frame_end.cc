#include "store/frame_end.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "store/log/frame.h"
#include "store/log/frame_codec.h"

namespace mansio::store {
namespace {

constexpr size_t kStep = 64 << 10;
// A header with all the assignments that a frame may have.
constexpr size_t kMaxHeaderBytes = kFrameHeaderBytes + 8 * 1024;

// The last good header in `bytes`, which begin at `begin` in the log, that starts before `end`.
std::optional<FrameHeader> LastHeader(std::string_view bytes, LogOffset begin, LogOffset end) {
  for (size_t at = end - begin; at >= kFrameAlignment;) {
    at -= kFrameAlignment;
    FrameHeader header;
    const std::string_view frame = bytes.substr(at);
    if (LooksLikeFrame(frame) && DecodeFrameHeader(frame, &header) == FrameFault::kNone &&
        header.offset == begin + at) {
      return header;
    }
  }
  return std::nullopt;
}

bool ReachesTo(const FrameHeader& header, LogOffset offset) {
  const LogOffset end = header.offset + FrameBytes(header);
  if (end == offset) return true;
  // At the end of a segment: a filler, or so little room that there is none.
  return end < offset && (header.kind == FrameKind::kFiller || offset - end < kFrameHeaderBytes);
}

}  // namespace

bool FrameEndsAt(CommitLog* log, LogOffset offset) {
  const LogOffset first = log->First();
  std::string window;  // begins at `end`
  LogOffset end = offset;
  for (size_t step = kStep; end > first && offset - end <= kMaxFrameBytes;) {
    const LogOffset begin = end - std::min<LogOffset>(step, end - first);
    const absl::StatusOr<LogBytes> bytes =
        log->ReadBytes(begin, static_cast<uint32_t>(end - begin));
    if (!bytes.ok()) {
      // It may begin in the segment before, which cannot be read across: come closer to the border.
      if (step == kFrameAlignment) return false;
      step = std::max(step / 2, kFrameAlignment);
      continue;
    }
    window.resize(std::min(window.size(), kMaxHeaderBytes));
    window.insert(0, bytes->bytes);
    if (const std::optional<FrameHeader> header = LastHeader(window, begin, end)) {
      return ReachesTo(*header, offset);
    }
    end = begin;
  }
  return false;
}

}  // namespace mansio::store
