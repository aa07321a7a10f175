#ifndef MANSIO_STORE_LOG_BATCH_H_
#define MANSIO_STORE_LOG_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "store/append.h"
#include "store/log/commit_log.h"
#include "store/log/frame_codec.h"
#include "store/log/segment.h"
#include "store/log/tail_cache.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

// What the log thread writes at once: the frames of many appends, encoded in the tail cache. Log
// thread only; reused from batch to batch, so that its vectors keep their memory.
class Batch {
 public:
  // What is the same in all frames of a batch.
  struct Stamp {
    Epoch epoch = 0;
    LogOffset synced = 0;
    StoreTime store_time = 0;
    uint64_t segment_bytes = 0;
  };
  // An append that has its place.
  struct Placed {
    std::unique_ptr<Append> append;
    AppendResult result;
  };
  // Appends at the front of a queue that become one frame.
  struct Unit {
    size_t appends = 0;
    size_t messages = 0;
    size_t frame_bytes = 0;
  };

  explicit Batch(TailCache* cache) : cache_(cache) {}

  // Empties the batch; it will begin at `begin`.
  void Begin(LogOffset begin, const Stamp& stamp);

  // How much of the front of `queue` makes the next frame, of at most `room` bytes if there is a
  // choice: one append with messages or a large one, or a run of small ones.
  static Unit Measure(absl::Span<const std::unique_ptr<Append>> queue, size_t room);
  // Encodes `unit` as the next frame and takes the appends over.
  void Add(absl::Span<std::unique_ptr<Append>> unit, const Unit& measured, LogObserver& observer);
  // Ends the segment, whose end is `segment_end`, with a filler where one fits.
  void EndSegment(LogOffset segment_end);

  bool empty() const { return begin_ == position_; }
  bool ends_segment() const { return ends_segment_; }
  LogOffset begin() const { return begin_; }
  // Behind the last byte to write.
  LogOffset end() const { return end_; }
  // Where the log goes on: end(), or the end of the segment.
  LogOffset position() const { return position_; }
  // Encoded bytes of the appends, as counted against the uncommitted limit.
  uint64_t accepted_bytes() const { return accepted_bytes_; }
  // The bytes from begin() to end(), in as few pieces as the cache's chunks allow.
  absl::Span<const std::string_view> pieces() const { return pieces_; }
  std::vector<Placed>& placed() { return placed_; }

  // Calls `visit` for each record in log order.
  void ForEachRecord(
      absl::FunctionRef<void(const RecordView& record, uint32_t record_bytes)> visit) const;

 private:
  struct Frame {
    FrameHeader header;
    const char* data = nullptr;
  };

  char* Reserve(size_t frame_bytes);
  FrameHeader NewHeader(FrameKind kind) const;
  void Finish(const FrameHeader& header, char* data);

  TailCache* const cache_;
  Stamp stamp_;
  LogOffset begin_ = 0;
  LogOffset end_ = 0;
  LogOffset position_ = 0;
  uint64_t accepted_bytes_ = 0;
  bool ends_segment_ = false;
  std::vector<Frame> frames_;
  std::vector<std::string_view> pieces_;
  std::vector<Placed> placed_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_BATCH_H_
