#ifndef MANSIO_COMMON_GATEWAY_DESCRIPTION_BUDGET_H_
#define MANSIO_COMMON_GATEWAY_DESCRIPTION_BUDGET_H_

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "absl/status/status.h"

namespace mansio::gateway {

// What the clients of a node may name together, in bytes: groups and topics. Each may have more
// than its share. Thread-safe.
class DescriptionBudget {
 public:
  explicit DescriptionBudget(size_t max_clients)
      : limit_(std::max(max_clients * kBytesPerClient, kLeastBytes)) {}
  DescriptionBudget(const DescriptionBudget&) = delete;
  DescriptionBudget& operator=(const DescriptionBudget&) = delete;

  // A client's description takes `now` bytes instead of `before`. ResourceExhausted, and nothing
  // has changed, when that is more and all together take too much.
  absl::Status Replace(size_t before, size_t now) {
    const size_t others = bytes_.load(std::memory_order_relaxed) - before;
    if (now > before && others + now > limit_) {
      return absl::ResourceExhaustedError(
          "the clients of this node name more topics than it can remember; let them name fewer, or "
          "raise limits.clients");
    }
    bytes_.fetch_add(now - before, std::memory_order_relaxed);
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kBytesPerClient = 4 << 10;
  static constexpr size_t kLeastBytes = 1 << 20;

  const size_t limit_;
  std::atomic<size_t> bytes_{0};
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_DESCRIPTION_BUDGET_H_
