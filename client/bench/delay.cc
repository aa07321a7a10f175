#include "client/bench/delay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "client/bench/receiving.h"

namespace mansio::bench {
namespace {

constexpr absl::Duration kBetweenPhases = absl::Seconds(1);
constexpr int kScheduleInFlight = 16;

// When each delayed message of the run is due, by its number: first those that come due, round by
// round, then the pending ones. Thread-safe.
class DueTimes {
 public:
  explicit DueTimes(const DelayOptions& options)
      : options_(options),
        start_(absl::Now()),
        start_nanos_(NowNanos()),
        in_round_(std::max<int64_t>(
            std::llround(options.due_rate * absl::ToDoubleSeconds(options.produce.load.duration)),
            1)) {}

  int64_t due_in_all() const { return in_round_ * options_.rounds; }

  // When a phase begins, from the start.
  absl::Duration DuePhase(int64_t round) const {
    const absl::Duration both = 2 * (options_.produce.load.duration + kBetweenPhases);
    return options_.due_after + round * both;
  }
  absl::Duration PendingPhase(int64_t round) const {
    return DuePhase(round) + options_.produce.load.duration + kBetweenPhases;
  }

  absl::Duration After(int64_t number) const {
    if (number < due_in_all()) {
      return DuePhase(number / in_round_) +
             absl::Seconds(static_cast<double>(number % in_round_) / options_.due_rate);
    }
    // Scattered: neighbours in the log are not neighbours in time.
    const uint64_t scattered = static_cast<uint64_t>(number) * 0x9E3779B97F4A7C15u >> 32;
    return options_.ahead + options_.ahead * (static_cast<double>(scattered) / 4294967296.0);
  }
  absl::Time At(int64_t number) const { return start_ + After(number); }
  int64_t NanosOf(absl::Duration after) const {
    return start_nanos_ + absl::ToInt64Nanoseconds(after);
  }
  absl::Duration SinceStart() const { return absl::Nanoseconds(NowNanos() - start_nanos_); }

 private:
  const DelayOptions& options_;
  const absl::Time start_;  // by both clocks
  const int64_t start_nanos_;
  const int64_t in_round_;  // that come due
};

absl::StatusOr<LoadResult> SendDelayed(const DelayOptions& options, const DueTimes& times,
                                       Arrivals& arrivals) {
  ProduceOptions sends = options.produce;
  sends.target.topic = options.delay_topic;
  sends.target.kind = TopicKind::kDelay;
  sends.batch = options.schedule_batch;
  sends.load = {.in_flight = kScheduleInFlight, .server_pid = options.produce.load.server_pid};
  const int64_t messages = times.due_in_all() + options.pending;
  sends.load.count = (messages + sends.batch - 1) / sends.batch;
  const uint64_t first_sequence = arrivals.first_sequence();
  sends.first_sequence = first_sequence;
  sends.deliver_at = [&times, first_sequence](uint64_t sequence) {
    return times.At(static_cast<int64_t>(sequence - first_sequence));
  };
  sends.before_send = [&](uint64_t first, int64_t /*intended*/) {
    for (uint64_t i = 0; i < static_cast<uint64_t>(sends.batch); ++i) {
      const auto number = static_cast<int64_t>(first + i - first_sequence);
      if (number >= times.due_in_all()) return;
      arrivals.Expect(first + i, 1, times.NanosOf(times.After(number)));
    }
  };
  absl::StatusOr<LoadResult> result = Produce(sends);
  if (!result.ok()) return result;
  if (!result->errors.empty()) {
    return absl::ResourceExhaustedError(
        fmt::format("{} requests with delayed messages failed with {}",
                    result->errors.begin()->second, result->errors.begin()->first));
  }
  if (times.SinceStart() > options.due_after) {
    return absl::DeadlineExceededError(fmt::format(
        "sending the delayed messages took {:.1f} s, and the first of them was due before that; "
        "let them come due later, or send fewer",
        absl::ToDoubleSeconds(times.SinceStart())));
  }
  return result;
}

// The plain load for one phase, which begins at `begin` (NowNanos).
absl::StatusOr<LoadResult> RunPhase(const ProduceOptions& plain, Target& target, int64_t begin) {
  std::this_thread::sleep_until(
      std::chrono::steady_clock::time_point(std::chrono::nanoseconds(begin)));
  return Produce(plain, target);
}

absl::Status RunRounds(const DelayOptions& options, const DueTimes& times, Target& target,
                       std::vector<DelayRound>* rounds) {
  ProduceOptions plain = options.produce;
  plain.load.warmup = absl::ZeroDuration();
  for (int round = 0; round < options.rounds; ++round) {
    auto due = RunPhase(plain, target, times.NanosOf(times.DuePhase(round)));
    if (!due.ok()) return due.status();
    auto pending = RunPhase(plain, target, times.NanosOf(times.PendingPhase(round)));
    if (!pending.ok()) return pending.status();
    rounds->push_back({*std::move(due), *std::move(pending)});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DelayResult> Delay(const DelayOptions& options) {
  absl::StatusOr<std::unique_ptr<Target>> producing = Target::Connect(options.produce.target);
  if (!producing.ok()) return producing.status();
  absl::StatusOr<LoadResult> before = Produce(options.produce, **producing);
  if (!before.ok()) return before.status();

  TargetOptions delayed = options.produce.target;
  delayed.topic = options.delay_topic;
  delayed.kind = TopicKind::kDelay;
  const TargetOptions consumer = WithGroupOfRun(delayed);
  absl::StatusOr<std::unique_ptr<Target>> consuming = Target::Connect(consumer);
  if (!consuming.ok()) return consuming.status();
  Arrivals arrivals(absl::ZeroDuration());
  Receiver receiver(consumer, options.receiver, **consuming, nullptr,
                    [&arrivals](uint64_t sequence) { arrivals.Arrived(sequence); });
  Receiving receiving(receiver, **consuming);
  receiving.Start(options.receivers);

  const DueTimes times(options);
  DelayResult result;
  result.before = *std::move(before);
  absl::StatusOr<LoadResult> scheduling = SendDelayed(options, times, arrivals);
  absl::Status status = scheduling.status();
  if (status.ok()) {
    result.scheduling = *std::move(scheduling);
    status = RunRounds(options, times, **producing, &result.rounds);
  }
  if (status.ok()) arrivals.WaitFor(times.due_in_all());
  receiving.Stop();
  DeleteGroup(consumer);
  if (!status.ok()) return status;
  result.arrivals = arrivals.counts();
  result.missing = times.due_in_all() - result.arrivals.received;
  return result;
}

}  // namespace mansio::bench
