#include "client/bench/receiving.h"

#include <chrono>
#include <thread>

namespace mansio::bench {
namespace {

constexpr auto kSettle = std::chrono::seconds(1);  // until all receives have reached the broker
constexpr absl::Duration kPauseOfReceiver = absl::Milliseconds(20);

}  // namespace

void Receiving::Start(int chains) {
  for (int i = 0; i < chains; ++i) Next();
  std::this_thread::sleep_for(kSettle);
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
