#include "client/bench/receiving.h"

#include <chrono>
#include <thread>

#include "client/bench/process_usage.h"

namespace mansio::bench {
namespace {

constexpr auto kSettle = std::chrono::seconds(1);
constexpr int kSettleTimes = 60;  // at most, while the server is busy
constexpr double kQuiet = 0.05;   // CPUs that a server uses which is not
constexpr absl::Duration kPauseOfReceiver = absl::Milliseconds(20);

int64_t Settle(pid_t server) {
  int64_t memory = 0;
  for (int i = 0; i < kSettleTimes; ++i) {
    const auto before = ReadProcessUsage(server);
    std::this_thread::sleep_for(kSettle);
    const auto after = ReadProcessUsage(server);
    if (!before.ok() || !after.ok()) break;
    memory = after->rss_anon_bytes;
    const auto used = static_cast<double>(after->run_nanos - before->run_nanos) / 1e9;
    if (used < kQuiet * std::chrono::duration<double>(kSettle).count()) break;
  }
  return memory;
}

}  // namespace

int64_t Receiving::Start(int chains, pid_t server) {
  for (int i = 0; i < chains; ++i) Next();
  return Settle(server);
}

void Receiving::Stop() {
  stopped_ = true;
  target_.transport().Shutdown();
}

void Receiving::Next() {
  receiver_.Run(next_link_.fetch_add(1), [this](const Outcome& outcome) {
    if (stopped_) return;
    if (outcome.error.empty()) {
      Next();
    } else {
      target_.transport().After(kPauseOfReceiver, [this] { Next(); });
    }
  });
}

}  // namespace mansio::bench
