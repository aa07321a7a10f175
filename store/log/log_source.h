#ifndef MANSIO_STORE_LOG_LOG_SOURCE_H_
#define MANSIO_STORE_LOG_LOG_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/log/segment_set.h"
#include "store/types.h"

namespace mansio::store {

// The log as a scan sees it: segments of bytes. One thread at a time.
class LogSource {
 public:
  virtual ~LogSource() = default;

  struct Span {
    LogOffset first = 0;
    LogOffset end = 0;
  };
  // The segment that contains `offset`; nullopt behind the last one.
  virtual std::optional<Span> SegmentAt(LogOffset offset) = 0;
  // Up to `bytes` bytes at `offset`, fewer where the segment's file ends; valid until the next
  // call.
  virtual absl::StatusOr<std::string_view> Peek(LogOffset offset, size_t bytes) = 0;
  // The first offset >= `offset`, in the same segment or at its end, that may hold something but
  // zeros.
  virtual LogOffset NextData(LogOffset offset) { return offset; }
  // The first offset >= `offset`, in the same segment or at its end, that is in a hole.
  virtual LogOffset NextHole(LogOffset offset) = 0;
  // For the segment that contains `offset`: see File::SetReadAhead. Without, nothing is read that
  // was not asked for, but for data up to the next hole.
  virtual void SetReadAhead(LogOffset offset, bool on) { (void)offset, (void)on; }
};

// Reads segment files through one buffer, in large pieces.
class SegmentSource final : public LogSource {
 public:
  explicit SegmentSource(const SegmentSet* segments);  // borrowed

  std::optional<Span> SegmentAt(LogOffset offset) override;
  absl::StatusOr<std::string_view> Peek(LogOffset offset, size_t bytes) override;
  LogOffset NextData(LogOffset offset) override { return segments_->NextData(offset); }
  LogOffset NextHole(LogOffset offset) override { return segments_->NextHole(offset); }
  void SetReadAhead(LogOffset offset, bool on) override;

 private:
  const SegmentSet* const segments_;
  std::optional<Span> span_;  // the segment last asked for
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  LogOffset begin_ = 0;  // of what the buffer holds
  size_t filled_ = 0;
  bool at_end_ = false;  // the file ends behind the buffer
  bool read_ahead_ = true;
};

// One segment in memory; for tests and fuzzing.
class MemorySource final : public LogSource {
 public:
  MemorySource(LogOffset first, std::string_view bytes) : first_(first), bytes_(bytes) {}

  std::optional<Span> SegmentAt(LogOffset offset) override;
  absl::StatusOr<std::string_view> Peek(LogOffset offset, size_t bytes) override;
  LogOffset NextHole(LogOffset) override { return first_ + bytes_.size(); }

 private:
  const LogOffset first_;
  const std::string_view bytes_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_LOG_SOURCE_H_
