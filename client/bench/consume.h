#ifndef MANSIO_CLIENT_BENCH_CONSUME_H_
#define MANSIO_CLIENT_BENCH_CONSUME_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/bench/load.h"
#include "client/bench/receiver.h"
#include "client/bench/target.h"

namespace mansio::bench {

struct ConsumeOptions {
  TargetOptions target;  // with a group
  LoadOptions load;      // operations are receives with their acks; `messages` bounds them
  ReceiverOptions receiver;
  int64_t prefill = 0;     // messages to send before, not measured
  int prefill_size = 128;  // bytes of a body
  std::string seen_file;   // empty, or the file described at Receiver
};

struct ConsumeResult {
  LoadResult load;        // latency: of a receive together with its acks
  Histogram ack_latency;  // of each ack
  // What the brokers appended to their logs meanwhile; nothing when the endpoint cannot say it.
  std::optional<int64_t> log_bytes;
};

// Receives and acknowledges.
absl::StatusOr<ConsumeResult> Consume(const ConsumeOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_CONSUME_H_
