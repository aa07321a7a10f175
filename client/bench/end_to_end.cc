#include "client/bench/end_to_end.h"

#include <algorithm>
#include <utility>

#include "client/bench/arrivals.h"
#include "client/bench/process_usage.h"
#include "client/bench/receiving.h"

namespace mansio::bench {

absl::StatusOr<EndToEndResult> EndToEnd(const EndToEndOptions& options) {
  ProduceOptions produce = options.produce;
  Arrivals arrivals(produce.load.warmup);
  produce.first_sequence = arrivals.first_sequence();
  produce.before_send = [&arrivals, &produce](uint64_t first, int64_t intended) {
    arrivals.Expect(first, produce.batch, intended);
  };

  const TargetOptions consumer = WithGroupOfRun(produce.target);
  absl::StatusOr<std::unique_ptr<Target>> consuming = Target::Connect(consumer);
  if (!consuming.ok()) return consuming.status();
  Receiver receiver(consumer, options.receiver, **consuming, nullptr,
                    [&arrivals](uint64_t sequence) { arrivals.Arrived(sequence); });
  Receiving receiving(receiver, **consuming);
  const pid_t server = produce.load.server_pid;
  const auto idle = ReadProcessUsage(server);
  const int64_t waiting = receiving.Start(options.receivers, server);

  absl::StatusOr<LoadResult> sends = Produce(produce);
  if (sends.ok()) arrivals.WaitFor(sends->messages_in_all);
  receiving.Stop();
  DeleteGroup(consumer);
  if (!sends.ok()) return sends.status();
  EndToEndResult result;
  result.arrivals = arrivals.counts();
  result.missing = std::max<int64_t>(sends->messages_in_all - result.arrivals.received, 0);
  if (idle.ok() && waiting > 0) result.waiting_bytes = waiting - idle->rss_anon_bytes;
  result.sends = *std::move(sends);
  return result;
}

}  // namespace mansio::bench
