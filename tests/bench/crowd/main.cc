// A crowd of brokers for one nameserver, on loopback, and route queries at it; tests/bench/figures
// takes the nameserver's figures with it.

#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "client/bench/load.h"
#include "common/logging/logging.h"
#include "common/sync/sync.h"
#include "tests/bench/crowd/crowd.h"
#include "tests/bench/crowd/routes.h"
#include "tests/bench/crowd/watchers.h"

namespace mansio::bench {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(10);

// Until SIGTERM or SIGINT. False when `pause` has passed before.
bool AwaitSignal(const sigset_t& signals, absl::Duration pause) {
  const timespec time = absl::ToTimespec(pause);
  return sigtimedwait(&signals, nullptr, &time) > 0;
}

// Says once what has become true, and again after it was not.
class Event {
 public:
  explicit Event(const char* name) : name_(name) {}
  void Set(bool is, const std::string& detail = "") {
    if (is && !was_) {
      fmt::print("{} {}{}\n", absl::ToUnixMillis(absl::Now()), name_, detail);
      std::fflush(stdout);
    }
    was_ = is;
  }

 private:
  const char* const name_;
  bool was_ = false;
};

// A line for each event, with the time in milliseconds since 1970: `first` (a broker is registered,
// after none was), `registered` (all are), `lost` (none is), `knowing` (all watchers know all
// brokers; how many MiB they were told so far).
void RunCrowd(const CrowdOptions& options, int watchers, const sigset_t& signals) {
  logging::SetLevel(logging::Level::kError);
  const Crowd crowd(options);
  std::optional<Watchers> watching;
  if (watchers > 0) watching.emplace(options.nameserver, watchers, options.brokers);
  Event first("first"), registered("registered"), lost("lost"), knowing("knowing");
  bool begun = false;
  while (!AwaitSignal(signals, kLook)) {
    const int count = crowd.Registered();
    begun = begun || count > 0;
    lost.Set(begun && count == 0);
    first.Set(count > 0);
    registered.Set(count == options.brokers);
    if (watching) {
      knowing.Set(watching->Knowing() == watchers,
                  fmt::format(" after {} MiB", watching->Bytes() >> 20));
    }
  }
  std::_Exit(0);  // as if all had been killed: goodbyes of a thousand threads take a while
}

int PrintRoutes(const absl::StatusOr<LoadResult>& result) {
  if (!result.ok()) {
    fmt::print(stderr, "{}\n", std::string(result.status().message()));
    return 1;
  }
  const auto micros = [](int64_t nanos) { return static_cast<double>(nanos) / 1e3; };
  fmt::print("{:.0f} queries a second, p50 {:.0f}, p99 {:.0f}, p99.9 {:.0f}, max {:.0f} us",
             static_cast<double>(result->messages) / result->seconds,
             micros(result->latency.Quantile(0.5)), micros(result->latency.Quantile(0.99)),
             micros(result->latency.Quantile(0.999)), micros(result->latency.max()));
  if (result->server_used && result->messages_for_cpu > 0) {
    fmt::print(", {:.1f} us of CPU each",
               micros(result->server_used->run_nanos / result->messages_for_cpu));
  }
  for (const auto& [name, times] : result->errors) fmt::print(", {} times {}", times, name);
  fmt::print("\n");
  return result->errors.empty() ? 0 : 1;
}

// Each broker has a connection, which needs some descriptors.
void RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int Main(int argc, char** argv) {
  CLI::App app("A crowd of brokers for a nameserver, and route queries at it.");
  app.require_subcommand(1);
  CrowdOptions crowd;
  int watchers = 0;
  CLI::App* brokers = app.add_subcommand("brokers", "Registers brokers until it is ended");
  brokers->add_option("--nameserver", crowd.nameserver, "HOST:PORT")->required();
  brokers->add_option("--brokers", crowd.brokers, "How many")->capture_default_str();
  brokers->add_option("--topics", crowd.topics, "Topics in all")->capture_default_str();
  brokers->add_option("--groups", crowd.groups, "Groups in all")->capture_default_str();
  brokers->add_option("--copies", crowd.copies, "Brokers of each")->capture_default_str();
  brokers->add_option("--watchers", watchers, "Brokers that watch, too")->capture_default_str();

  std::string nameserver;
  int topics = 0;
  double seconds = 5;
  LoadOptions load;
  load.warmup = absl::Seconds(1);
  CLI::App* routes = app.add_subcommand("routes", "Asks for the routes of the crowd's topics");
  routes->add_option("--nameserver", nameserver, "HOST:PORT")->required();
  routes->add_option("--topics", topics, "As of the crowd")->required()->check(CLI::PositiveNumber);
  routes->add_option("--rate", load.rate, "Queries a second; 0: as --in-flight says");
  routes->add_option("--in-flight", load.in_flight, "At any time")->capture_default_str();
  routes->add_option("--seconds", seconds, "Of the measurement")->capture_default_str();
  routes->add_option("--server-pid", load.server_pid, "Whose CPU is measured");
  CLI11_PARSE(app, argc, argv);

  // Before any thread starts, so that all of them leave the signals to the main one.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  if (routes->parsed()) {
    load.duration = absl::Seconds(seconds);
    return PrintRoutes(QueryRoutes(nameserver, topics, load));
  }
  RaiseFileLimit();
  RunCrowd(crowd, watchers, signals);
  return 0;
}

}  // namespace
}  // namespace mansio::bench

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  return mansio::bench::Main(argc, argv);
}
