#ifndef MANSIO_STORE_OPTIONS_H_
#define MANSIO_STORE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace mansio {
class BrokerTime;
class Clock;
class FileSystem;
}  // namespace mansio

namespace mansio::store {

enum class Durability {
  kAsync,  // page cache; flushed every flush_interval
  kSync,   // fdatasync before the answer
};

struct StoreOptions {
  std::string path;
  Durability durability = Durability::kSync;
  absl::Duration flush_interval = absl::Milliseconds(500);  // async only
  uint64_t segment_bytes = uint64_t{1} << 30;
  uint64_t tail_cache_bytes = 128ull << 20;
  uint64_t max_uncommitted_bytes = 256ull << 20;
  uint64_t checkpoint_bytes = 128ull << 20;  // a checkpoint is due after this much log
  // ConsumeQueue entries kept in memory, all queues together.
  uint64_t queue_memory_bytes = 64ull << 20;
  absl::Duration retention_age = absl::Hours(72);
  uint64_t retention_bytes = 0;  // total log size; 0: no limit by size
  // Of retention_bytes, how much may be messages carried forward before new delayed and half
  // messages are refused.
  int carry_percent = 20;
  int cold_threads = 2;
  size_t cold_queue = 4096;  // waiting cold reads; more are refused
  bool salvage = false;      // cut at damage instead of refusing to start
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_OPTIONS_H_
