#ifndef MANSIO_STORE_TYPES_H_
#define MANSIO_STORE_TYPES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace mansio::store {

// A position in the CommitLog, in bytes since its very beginning; never reused within an epoch.
using LogOffset = uint64_t;
// The reign of one start of a master; every start begins a new one (design section 4).
using Epoch = uint64_t;
// Greater ones are refused wherever they come from, so that counting on never overflows, also as
// int64.
inline constexpr Epoch kMaxEpoch = Epoch{1} << 62;
// The dense position of a message in its queue.
using QueueOffset = uint64_t;
// Milliseconds since 1970 by broker time.
using StoreTime = int64_t;

// A queue by the numeric id of its topic. Names never reach the store.
struct QueueKey {
  uint32_t topic = 0;
  uint32_t queue = 0;
  friend auto operator<=>(const QueueKey&, const QueueKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const QueueKey& k) {
    return H::combine(std::move(h), k.topic, k.queue);
  }
};

// Where a record stands: unique within the whole life of a broker group, because (epoch, offset) is
// never reused. A lease's id is the position of its lease record.
struct LogPosition {
  Epoch epoch = 0;
  LogOffset offset = 0;
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const LogPosition& p) {
    return H::combine(std::move(h), p.epoch, p.offset);
  }
};

// A frame's payload is at most this; a larger request is split by the caller into several appends.
inline constexpr size_t kMaxFramePayload = 16 * 1024 * 1024 - 64 * 1024;

// What the log has reached, in log offsets: appended >= committed >= applied, and synced, what
// fdatasync has covered (design section 1.2).
struct Cursors {
  LogOffset appended = 0;
  LogOffset committed = 0;
  LogOffset applied = 0;
  LogOffset synced = 0;
  LogOffset checkpointed = 0;
  LogOffset min = 0;  // start of the oldest retained segment
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_TYPES_H_
