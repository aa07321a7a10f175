#ifndef MANSIO_COMMON_RPC_CALL_STATS_H_
#define MANSIO_COMMON_RPC_CALL_STATS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "common/metrics/histogram.h"
#include "common/rpc/payload.h"

// How many calls a server answered, how long they took and what came of them.
namespace mansio::rpc {

// Upper bounds of durations in nanoseconds; those of RocketMQ's rpc latency are among them.
inline constexpr std::array<int64_t, 15> kDurationBounds = {
    100 * metrics::kMicro, 250 * metrics::kMicro, 500 * metrics::kMicro, 1 * metrics::kMilli,
    3 * metrics::kMilli,   5 * metrics::kMilli,   7 * metrics::kMilli,   10 * metrics::kMilli,
    30 * metrics::kMilli,  100 * metrics::kMilli, 300 * metrics::kMilli, 1 * metrics::kSecond,
    2 * metrics::kSecond,  3 * metrics::kSecond,  30 * metrics::kSecond};

// Outcomes that are no public code.
inline constexpr int kNoCode = -1;      // an answer without a status
inline constexpr int kOtherCodes = -2;  // codes beyond those that are counted by themselves
inline constexpr int kAborted = -100;   // and below: ended with the gRPC status kAborted - outcome

// The public code in the status that a response begins with (field 1 of all of them); kNoCode when
// it begins with something else. `response` may have been cut anywhere behind the status' code.
int OutcomeOf(const Payload& response);
// The outcome of a call that ended with a gRPC status.
inline int OutcomeOf(const absl::Status& status) {
  return kAborted - static_cast<int>(status.code());
}

// The calls of one method. Thread-safe; to record a call takes two relaxed additions.
class MethodStats {
 public:
  // `path`: "/package.Service/Method". `streaming`: it is answered with a stream, which may wait.
  MethodStats(std::string path, bool streaming);

  void Record(int outcome, int64_t nanos);

  const std::string& path() const { return path_; }
  bool streaming() const { return streaming_; }
  struct Outcome {
    int outcome = 0;
    metrics::HistogramSnapshot nanos;
  };
  // What came up so far.
  std::vector<Outcome> Outcomes() const;

 private:
  struct Slot {
    std::atomic<int> outcome{0};  // 0: free
    metrics::Histogram<kDurationBounds> nanos;
  };

  const std::string path_;
  const bool streaming_;
  // OK is in the first, the last is for all that find no free one.
  std::array<Slot, 16> slots_;
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_CALL_STATS_H_
