#ifndef MANSIO_CLIENT_BENCH_END_TO_END_H_
#define MANSIO_CLIENT_BENCH_END_TO_END_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "client/bench/arrivals.h"
#include "client/bench/produce.h"
#include "client/bench/receiver.h"

namespace mansio::bench {

struct EndToEndOptions {
  ProduceOptions produce;  // an open loop: load.rate > 0
  ReceiverOptions receiver;
  int receivers = 4;  // receives that wait at any time
};

struct EndToEndResult {
  LoadResult sends;
  ArrivalCounts arrivals;  // latency: from the intended send to the receive
  // What the server's memory grew by when the receivers' receives waited; with load.server_pid.
  std::optional<int64_t> waiting_bytes;
  int64_t missing = 0;  // acknowledged sends that did not arrive within 30 s after the last one
};

// Sends at a fixed rate and receives at the same time, in a consumer group of its own that starts
// at the end of the topic.
absl::StatusOr<EndToEndResult> EndToEnd(const EndToEndOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_END_TO_END_H_
