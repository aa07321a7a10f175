#include "client/bench/check.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "client/bench/halves.h"
#include "common/sync/sync.h"

namespace mansio::bench {
namespace {

// Counts the checks that come in rounds of `in_round`. Thread-safe.
class Checks {
 public:
  explicit Checks(int64_t in_round) : in_round_(in_round) {}

  void Came() {
    const int64_t now = NowNanos();
    MutexLock lock(&mutex_);
    if (count_++ % in_round_ == 0) begun_ = now;
    if (count_ % in_round_ == 0) seconds_.push_back(static_cast<double>(now - begun_) / 1e9);
    came_.SignalAll();
  }

  // Waits for the end of round `round`, from 0, and returns how many seconds it took.
  absl::StatusOr<double> WaitFor(size_t round, absl::Duration patience) const {
    MutexLock lock(&mutex_);
    while (seconds_.size() <= round) {
      const int64_t before = count_;
      if (came_.WaitFor(&mutex_, patience) && count_ == before) {
        return absl::DeadlineExceededError(
            fmt::format("the server has made {} checks, and none for {} s", count_,
                        absl::ToInt64Seconds(patience)));
      }
    }
    return seconds_[round];
  }

 private:
  const int64_t in_round_;
  mutable Mutex mutex_;
  mutable CondVar came_;
  int64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t begun_ ABSL_GUARDED_BY(mutex_) = 0;  // the round at hand
  std::vector<double> seconds_ ABSL_GUARDED_BY(mutex_);
};

// The transactions that are left open. Thread-safe.
class LeftOpen {
 public:
  LeftOpen(const CheckOptions& options, Target& target)
      : halves_(options.target, options.size, target) {}

  absl::StatusOr<LoadResult> Begin(const LoadOptions& load) {
    return RunLoad(load, [this](int64_t number, int64_t /*intended*/, auto done) {
      halves_.Begin(number,
                    [this, done = std::move(done)](std::string error, OpenHalf half) mutable {
                      if (!error.empty()) return done({.error = std::move(error)});
                      {
                        MutexLock lock(&mutex_);
                        open_.push_back(std::move(half));
                      }
                      done({.messages = 1});
                    });
    });
  }

  absl::StatusOr<LoadResult> RollBack(const LoadOptions& load) {
    return RunLoad(load, [this](int64_t number, int64_t /*intended*/, auto done) {
      halves_.End(At(static_cast<size_t>(number)), /*commit=*/false,
                  [done = std::move(done)](std::string error) mutable {
                    const int64_t messages = error.empty() ? 1 : 0;
                    done({.messages = messages, .error = std::move(error)});
                  });
    });
  }

  int64_t size() const {
    MutexLock lock(&mutex_);
    return static_cast<int64_t>(open_.size());
  }

 private:
  OpenHalf At(size_t i) const {
    MutexLock lock(&mutex_);
    return open_[i];
  }

  Halves halves_;
  mutable Mutex mutex_;
  std::vector<OpenHalf> open_ ABSL_GUARDED_BY(mutex_);
};

std::optional<ProcessUsage> UsageOf(pid_t server) {
  if (server <= 0) return std::nullopt;
  const absl::StatusOr<ProcessUsage> usage = ReadProcessUsage(server);
  return usage.ok() ? std::optional(*usage) : std::nullopt;
}

std::optional<ProcessUsage> Since(const std::optional<ProcessUsage>& from,
                                  const std::optional<ProcessUsage>& to) {
  if (!from.has_value() || !to.has_value()) return std::nullopt;
  return Difference(*from, *to);
}

}  // namespace

absl::StatusOr<CheckResult> Check(const CheckOptions& options) {
  Checks checks(options.pending);
  TargetOptions target_options = options.target;
  target_options.kind = TopicKind::kTransaction;
  absl::StatusOr<std::unique_ptr<Target>> target = Target::Connect(
      target_options, [&checks](const std::string&, std::string_view) { checks.Came(); });
  if (!target.ok()) return target.status();
  LeftOpen open(options, **target);
  LoadOptions load = options.load;
  load.count = options.pending;

  CheckResult result;
  result.before = UsageOf(load.server_pid);
  absl::StatusOr<LoadResult> halves = open.Begin(load);
  if (!halves.ok()) return halves.status();
  result.halves = *std::move(halves);
  if (open.size() < options.pending) {
    return absl::ResourceExhaustedError(fmt::format("only {} of {} halves were stored: {}",
                                                    open.size(), options.pending,
                                                    result.halves.errors.begin()->first));
  }
  result.after = UsageOf(load.server_pid);
  std::optional<ProcessUsage> last = result.after;
  for (int round = 0; round < options.rounds; ++round) {
    const absl::StatusOr<double> seconds =
        checks.WaitFor(static_cast<size_t>(round), options.patience);
    if (!seconds.ok()) return seconds.status();
    const std::optional<ProcessUsage> now = UsageOf(load.server_pid);
    result.rounds.push_back({*seconds, Since(last, now)});
    last = now;
  }
  absl::StatusOr<LoadResult> rollbacks = open.RollBack(load);
  if (!rollbacks.ok()) return rollbacks.status();
  result.rollbacks = *std::move(rollbacks);
  return result;
}

}  // namespace mansio::bench
