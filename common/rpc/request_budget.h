#ifndef MANSIO_COMMON_RPC_REQUEST_BUDGET_H_
#define MANSIO_COMMON_RPC_REQUEST_BUDGET_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"

// Internal to common/rpc.
namespace mansio::rpc {

// How many bytes of requests a server's handlers may hold at a time. gRPC's quota ends where a
// request is complete: without this, many large ones at once, or parked ones, take what they like.
// Thread-safe.
class RequestBudget {
 public:
  explicit RequestBudget(int64_t limit) : limit_(limit) {}

  // False, and nothing taken, when `bytes` more would pass the limit.
  bool Take(size_t bytes) {
    const auto more = static_cast<int64_t>(bytes);
    if (held_.fetch_add(more, std::memory_order_relaxed) + more <= limit_) return true;
    GiveBack(bytes);
    return false;
  }
  void GiveBack(size_t bytes) {
    held_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  }
  // What a request is told that finds no room: RESOURCE_EXHAUSTED.
  absl::Status Exhausted() const;

 private:
  const int64_t limit_;
  std::atomic<int64_t> held_{0};
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_REQUEST_BUDGET_H_
