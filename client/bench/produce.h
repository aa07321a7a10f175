#ifndef MANSIO_CLIENT_BENCH_PRODUCE_H_
#define MANSIO_CLIENT_BENCH_PRODUCE_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "client/bench/load.h"
#include "client/bench/send_template.h"
#include "client/bench/target.h"

namespace mansio::bench {

struct ProduceOptions {
  TargetOptions target;
  LoadOptions load;             // operations are requests
  int size = 128;               // bytes of a body; at least kSequenceBytes
  int batch = 1;                // messages in a request
  std::string message_group;    // empty: none
  bool keyed = false;           // each message has its number, 16 hex digits, as a key
  uint64_t first_sequence = 0;  // the number in the first body; the others follow
  // Empty, or a file that gets a line `SEQUENCE MESSAGE_ID QUEUE_OFFSET` for each acknowledged
  // message.
  std::string acked_file;
  // If set: the messages are delayed until these times; the topic is one of delayed messages.
  SendTemplate::DeliverAt deliver_at;
  // If set: told before each request of the first sequence number in it and its intended time.
  std::function<void(uint64_t first_sequence, int64_t intended)> before_send;
};

// Sends messages to a topic. The codes of refusals and "UNREACHABLE" are counted as errors.
absl::StatusOr<LoadResult> Produce(const ProduceOptions& options);
// The same over a target that exists already.
absl::StatusOr<LoadResult> Produce(const ProduceOptions& options, Target& target);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_PRODUCE_H_
