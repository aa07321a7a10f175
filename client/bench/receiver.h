#ifndef MANSIO_CLIENT_BENCH_RECEIVER_H_
#define MANSIO_CLIENT_BENCH_RECEIVER_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "client/bench/histogram.h"
#include "client/bench/load.h"
#include "client/bench/sequence_file.h"
#include "client/bench/target.h"
#include "common/sync/sync.h"

namespace mansio::bench {

struct ReceiverOptions {
  int batch = 32;  // messages asked for at a time
  absl::Duration invisible = absl::Seconds(60);
  absl::Duration wait = absl::Seconds(5);  // long polling
  std::string tags = "*";                  // that are wanted
  std::string sql;                         // or, if not empty, a SQL92 expression
  int ack_batch = 1;  // messages in an ack; 1 is what SDKs do. 0: none is acked
};

// Receives a batch and acknowledges it, once for each call of Run. Thread-safe.
class Receiver {
 public:
  // Sees each message when it has come: its sequence number and body.
  using Seen = std::function<void(uint64_t sequence)>;

  // `seen_file` may be null; it gets a line `SEQUENCE MESSAGE_ID QUEUE QUEUE_OFFSET ATTEMPT` for
  // each message. `seen` may be null.
  Receiver(const TargetOptions& target_options, const ReceiverOptions& options, Target& target,
           SequenceFile* seen_file, Seen seen);

  // One receive over link `number` and the acks of what came; `done` gets the number of messages
  // that were acknowledged (received, if none is to be acked). An empty receive is a success
  // without messages.
  void Run(size_t number, absl::AnyInvocable<void(Outcome)> done);

  // Times of the acks alone, so far.
  Histogram ack_latency() const;

 private:
  struct Batch;

  void Received(const std::shared_ptr<Batch>& batch, const std::vector<std::string>& elements);
  void Ack(const std::shared_ptr<Batch>& batch);

  const TargetOptions& target_options_;
  const ReceiverOptions& options_;
  Target& target_;
  SequenceFile* const seen_file_;
  const Seen seen_;
  mutable Mutex mutex_;
  Histogram ack_latency_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_RECEIVER_H_
