#include "client/bench/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "common/sync/sync.h"

namespace mansio::bench {
namespace {

constexpr int64_t kMostUnanswered = 65'536;
constexpr auto kPauseOfChain = std::chrono::milliseconds(20);
constexpr int64_t kPatienceNanos = 60'000'000'000;  // with a server that gives nothing

void SleepUntil(int64_t nanos) {
  std::this_thread::sleep_until(
      std::chrono::steady_clock::time_point(std::chrono::nanoseconds(nanos)));
}

// CPU use of this process and the server at one moment.
struct Sample {
  ProcessUsage client;
  std::optional<ProcessUsage> server;
  int64_t messages = 0;  // ended so far
};

class Load {
 public:
  Load(const LoadOptions& options, const Operation& operation)
      : options_(options),
        operation_(operation),
        start_(NowNanos()),
        measure_from_(start_ + absl::ToInt64Nanoseconds(options.warmup)),
        end_(measure_from_ + absl::ToInt64Nanoseconds(options.duration)),
        last_success_(start_) {}

  absl::StatusOr<LoadResult> Run() {
    if (absl::StatusOr<Sample> sample = Take(); !sample.ok()) return sample.status();
    std::thread sampler([this] { SampleAfterWarmup(); });
    absl::Status status;
    if (options_.quiet_gap > absl::ZeroDuration()) {
      RunQuiet();
    } else if (options_.rate > 0) {
      status = RunOpen();
    } else {
      RunClosed();
    }
    WaitForAll();
    sampler.join();
    if (!status.ok()) return status;
    return Collect();
  }

 private:
  // True once nothing new may start.
  bool Over(int64_t number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (options_.messages > 0) return messages_ >= options_.messages || GaveUp();
    return options_.count > 0 ? number >= options_.count : NowNanos() >= end_;
  }

  bool GaveUp() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return options_.messages > messages_ && NowNanos() - last_success_ > kPatienceNanos;
  }

  void Begin(int64_t number, int64_t intended, absl::AnyInvocable<void(bool ok)> then) {
    {
      MutexLock lock(&mutex_);
      ++unanswered_;
    }
    const int64_t begun = NowNanos();
    operation_(number, intended,
               [this, intended, begun, then = std::move(then)](Outcome outcome) mutable {
                 const bool ok = outcome.error.empty();
                 Record(intended, begun, std::move(outcome));
                 if (then) then(ok);
                 MutexLock lock(&mutex_);
                 --unanswered_;
                 ended_.SignalAll();
               });
  }

  void Record(int64_t intended, int64_t begun, Outcome outcome) {
    const int64_t now = NowNanos();
    MutexLock lock(&mutex_);
    messages_ += outcome.messages;
    if (outcome.messages > 0) last_success_ = now;
    if (intended < measure_from_) return;
    // An empty receive at the end has only waited.
    if (outcome.messages > 0 || !outcome.error.empty()) last_end_ = std::max(last_end_, now);
    ++result_.operations;
    result_.messages += outcome.messages;
    result_.bytes += outcome.bytes;
    if (!outcome.error.empty()) {
      ++result_.errors[outcome.error];
      return;  // The latency of a refusal says nothing about that of the service.
    }
    result_.latency.Record(now - intended);
    result_.service_time.Record(now - begun);
  }

  // One of the `in_flight` chains of a closed loop: each operation starts the next.
  void Chain() {
    int64_t number = 0;
    {
      MutexLock lock(&mutex_);
      number = next_number_;
      if (Over(number)) return;
      ++next_number_;
    }
    Begin(number, NowNanos(), [this](bool ok) {
      if (ok) {
        Chain();
      } else {
        MutexLock lock(&mutex_);
        ++paused_;
        ended_.SignalAll();
      }
    });
  }

  void RunClosed() {
    for (int i = 0; i < options_.in_flight; ++i) Chain();
    // This thread continues the chains that met an error, so that no rpc thread has to pause.
    while (true) {
      int resume = 0;
      {
        MutexLock lock(&mutex_);
        while (paused_ == 0 && unanswered_ > 0) ended_.Wait(&mutex_);
        if (paused_ == 0) return;
        resume = std::exchange(paused_, 0);
      }
      std::this_thread::sleep_for(kPauseOfChain);
      for (int i = 0; i < resume; ++i) Chain();
    }
  }

  absl::Status RunOpen() {
    Schedule schedule(options_.schedule, options_.rate, start_);
    for (int64_t number = 0;; ++number) {
      const int64_t intended = schedule.Next();
      if (options_.count > 0 ? number >= options_.count : intended >= end_) break;
      if (intended > NowNanos()) SleepUntil(intended);
      {
        MutexLock lock(&mutex_);
        if (unanswered_ >= kMostUnanswered) {
          return absl::ResourceExhaustedError(fmt::format(
              "{} requests are unanswered: the server cannot keep up with this rate", unanswered_));
        }
      }
      Begin(number, intended, nullptr);
    }
    return absl::OkStatus();
  }

  void RunQuiet() {
    for (int64_t number = 0;; ++number) {
      {
        MutexLock lock(&mutex_);
        if (Over(number)) return;
      }
      std::this_thread::sleep_for(absl::ToChronoNanoseconds(options_.quiet_gap));
      Begin(number, NowNanos(), nullptr);
      WaitForAll();
    }
  }

  void WaitForAll() {
    MutexLock lock(&mutex_);
    while (unanswered_ > 0) ended_.Wait(&mutex_);
  }

  absl::StatusOr<Sample> Take() {
    Sample sample;
    absl::StatusOr<ProcessUsage> client = ReadProcessUsage(getpid());
    if (!client.ok()) return client.status();
    sample.client = *client;
    if (options_.server_pid > 0) {
      absl::StatusOr<ProcessUsage> server = ReadProcessUsage(options_.server_pid);
      if (!server.ok()) return server.status();
      sample.server = *server;
    }
    MutexLock lock(&mutex_);
    sample.messages = messages_;
    return sample;
  }

  void SampleAfterWarmup() {
    SleepUntil(measure_from_);
    absl::StatusOr<Sample> sample = Take();
    MutexLock lock(&mutex_);
    first_sample_ = std::move(sample);
  }

  absl::StatusOr<LoadResult> Collect() {
    absl::StatusOr<Sample> last = Take();
    if (!last.ok()) return last.status();
    MutexLock lock(&mutex_);
    if (!first_sample_.ok()) return first_sample_.status();
    if (GaveUp()) return NothingComes();
    result_.seconds = static_cast<double>(std::max<int64_t>(last_end_ - measure_from_, 1)) / 1e9;
    result_.messages_in_all = messages_;
    result_.messages_for_cpu = last->messages - first_sample_->messages;
    result_.client_used = Difference(first_sample_->client, last->client);
    if (last->server.has_value()) {
      result_.server_used = Difference(*first_sample_->server, *last->server);
    }
    return std::move(result_);
  }

  absl::Status NothingComes() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string errors;
    for (const auto& [name, times] : result_.errors) {
      errors += fmt::format("{}{} times {}", errors.empty() ? ": " : ", ", times, name);
    }
    return absl::FailedPreconditionError(fmt::format(
        "{} of {} messages came, and none in the last minute{}; `mansio group why` says what a "
        "group waits for",
        messages_, options_.messages, errors));
  }

  const LoadOptions options_;
  const Operation& operation_;
  const int64_t start_;
  const int64_t measure_from_;
  const int64_t end_;

  Mutex mutex_;
  CondVar ended_;
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t unanswered_ ABSL_GUARDED_BY(mutex_) = 0;
  int paused_ ABSL_GUARDED_BY(mutex_) = 0;  // chains that met an error
  int64_t messages_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t last_success_ ABSL_GUARDED_BY(mutex_);
  int64_t last_end_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::StatusOr<Sample> first_sample_ ABSL_GUARDED_BY(mutex_) = Sample();
  LoadResult result_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

absl::StatusOr<LoadResult> RunLoad(const LoadOptions& options, const Operation& operation) {
  return Load(options, operation).Run();
}

}  // namespace mansio::bench
