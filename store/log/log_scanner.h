#ifndef MANSIO_STORE_LOG_LOG_SCANNER_H_
#define MANSIO_STORE_LOG_LOG_SCANNER_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/log/frame_codec.h"
#include "store/log/log_source.h"
#include "store/types.h"

// Reading the log at start, before anything in it is trusted. Nothing here crashes or loops on
// arbitrary bytes (tests/fuzz).
namespace mansio::store {

inline constexpr LogOffset kNothingForeign = std::numeric_limits<LogOffset>::max();

// Walks frame by frame and verifies each one; stops for good at the first that is not right.
class LogScanner {
 public:
  // `from` is the start of a frame. `epoch` is the reign it belongs to or follows, 0 when not
  // known; `synced` and `store_time` are what is known already. Frames from `foreign_from` on say
  // nothing about this broker's disk (replica_file.h).
  LogScanner(LogSource* source, LogOffset from, Epoch epoch, LogOffset synced, StoreTime store_time,
             LogOffset foreign_from = kNothingForeign);

  struct Frame {
    FrameHeader header;
    std::string_view bytes;  // valid until the next call
  };
  // The next frame, or nullopt at the first bad one; fillers are passed over. An error is one of
  // reading.
  absl::StatusOr<std::optional<Frame>> Next();

  // Where the next frame would begin; after the end, where the first bad one is.
  LogOffset position() const { return position_; }
  FrameFault fault() const { return fault_; }
  Epoch epoch() const { return epoch_; }
  StoreTime store_time() const { return store_time_; }
  // The greatest offset known to have been synced. A newer reign that began below an older claim
  // had cut the log there (a salvage), so the claim ends where that reign begins.
  LogOffset synced() const { return synced_; }
  // The length that the headers read in the segment of position() give for its file, 0 when there
  // were none.
  uint64_t segment_bytes() const { return segment_bytes_; }

 private:
  FrameFault Check(const LogSource::Span& segment, std::string_view bytes, FrameHeader* header);
  void Accept(const FrameHeader& header, const LogSource::Span& segment);

  LogSource* const source_;
  const LogOffset foreign_from_;
  LogOffset position_;
  Epoch epoch_;
  LogOffset synced_;
  StoreTime store_time_;
  uint64_t segment_bytes_ = 0;
  FrameFault fault_ = FrameFault::kNone;
};

// What lies behind the first bad frame.
struct Beyond {
  std::optional<LogOffset> frame;  // the first good header behind, of our own reign or a newer one
  LogOffset synced = 0;            // the greatest `synced` in such headers
  Epoch epoch = 0;                 // the greatest epoch in them
  LogOffset written_end = 0;  // behind it nothing was written since the files were made or reused
};
// Searches [from, end of the log) at every place where a frame could begin; the first bad frame is
// at `from`, and `epoch` is the last good frame's. Good headers count even when their payload is
// bad: their checksum is their own.
absl::StatusOr<Beyond> SearchBeyond(LogSource& source, LogOffset from, Epoch epoch,
                                    LogOffset foreign_from = kNothingForeign);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_LOG_SCANNER_H_
