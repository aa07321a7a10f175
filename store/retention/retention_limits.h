#ifndef MANSIO_STORE_RETENTION_RETENTION_LIMITS_H_
#define MANSIO_STORE_RETENTION_RETENTION_LIMITS_H_

#include <atomic>
#include <cstdint>

#include "store/options.h"

namespace mansio::store {

// What StoreOptions says of retention, and operators may change while the store is open.
// Thread-safe; the two are independent of each other.
struct RetentionLimits {
  explicit RetentionLimits(const StoreOptions& options)
      : age_ms(absl::ToInt64Milliseconds(options.retention_age)), bytes(options.retention_bytes) {}

  std::atomic<int64_t> age_ms;
  std::atomic<uint64_t> bytes;  // 0: no limit
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RETENTION_RETENTION_LIMITS_H_
