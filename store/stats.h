#ifndef MANSIO_STORE_STATS_H_
#define MANSIO_STORE_STATS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "common/metrics/histogram.h"

namespace mansio::store {

// Of one write or flush.
inline constexpr std::array<int64_t, 14> kDiskBounds = {
    50 * metrics::kMicro, 100 * metrics::kMicro, 200 * metrics::kMicro, 500 * metrics::kMicro,
    1 * metrics::kMilli,  2 * metrics::kMilli,   5 * metrics::kMilli,   10 * metrics::kMilli,
    20 * metrics::kMilli, 50 * metrics::kMilli,  100 * metrics::kMilli, 500 * metrics::kMilli,
    1 * metrics::kSecond, 5 * metrics::kSecond};
inline constexpr std::array<int64_t, 8> kCheckpointBounds = {
    1 * metrics::kMilli,   10 * metrics::kMilli, 50 * metrics::kMilli, 100 * metrics::kMilli,
    500 * metrics::kMilli, 1 * metrics::kSecond, 5 * metrics::kSecond, 30 * metrics::kSecond};
inline constexpr std::array<int64_t, 9> kBatchBytesBounds = {
    512, 2 << 10, 8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20, 8 << 20, 32 << 20};
inline constexpr std::array<int64_t, 10> kBatchAppendsBounds = {1,  2,  4,   8,   16,
                                                                32, 64, 128, 512, 2048};

// What the store counts while it runs, from its start on. Thread-safe.
struct StoreStats {
  // Per batch of the log thread.
  metrics::Histogram<kBatchAppendsBounds> batch_appends;
  metrics::Histogram<kBatchBytesBounds> batch_bytes;
  metrics::Histogram<kDiskBounds> write_nanos;
  metrics::Histogram<kDiskBounds> sync_nanos;  // fdatasyncs, of whichever thread

  metrics::Histogram<kCheckpointBounds> checkpoint_nanos;  // those that succeeded
  metrics::Counter checkpoint_failures;
  std::atomic<int64_t> last_checkpoint{0};  // metrics::NowNanos; 0: none since the start

  // Of messages that outlived their segments.
  metrics::Counter carried_messages;
  metrics::Counter carried_bytes;
};

// What the store takes of its limits.
struct StoreUsage {
  uint64_t uncommitted_bytes = 0;    // limits.send-bytes-in-flight
  uint64_t queue_bytes = 0;          // store.queue-memory-bytes
  uint64_t unsaved_queue_bytes = 0;  // of them, what no checkpoint has
  uint64_t carried_bytes = 0;        // of live messages, in the log; retention.carry-percent
  uint64_t key_index_bytes = 0;      // of its files
  uint64_t unindexed_bytes = 0;      // of log, that the key index does not have yet
  size_t segments = 0;
  size_t cold_jobs = 0;  // that wait; store.cold-queue
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_STATS_H_
