#include "client/bench/end_to_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "client/lib/admin_client.h"
#include "common/sync/sync.h"

namespace mansio::bench {
namespace {

constexpr int kSequenceBits = 40;  // the bits above tell this run's messages from others'
constexpr uint64_t kSequenceMask = (uint64_t{1} << kSequenceBits) - 1;
constexpr auto kSettle =
    std::chrono::seconds(1);                   // until all waiting receives have reached the broker
constexpr int64_t kPatience = 30'000'000'000;  // nanoseconds for the last messages to arrive
constexpr auto kPoll = std::chrono::milliseconds(10);
constexpr absl::Duration kPauseOfReceiver = absl::Milliseconds(20);

// When each message was to be sent, and what has arrived. Thread-safe.
class Arrivals {
 public:
  Arrivals(uint64_t run, absl::Duration warmup)
      : run_(run), warmup_(absl::ToInt64Nanoseconds(warmup)) {}

  // Messages `first` to `first` + `count` - 1 are about to be sent and were to be sent at
  // `intended`.
  void Sending(uint64_t first, int count, int64_t intended) {
    MutexLock lock(&mutex_);
    if (messages_.empty()) measure_from_ = intended + warmup_;
    const size_t begin = first & kSequenceMask;
    if (messages_.size() < begin + count) messages_.resize(2 * (begin + count));
    for (int i = 0; i < count; ++i) messages_[begin + i].intended = intended;
  }

  void Arrived(uint64_t tagged) {
    const int64_t now = NowNanos();
    if (tagged >> kSequenceBits != run_) return;
    const uint64_t sequence = tagged & kSequenceMask;
    MutexLock lock(&mutex_);
    if (sequence >= messages_.size()) return;
    Entry& entry = messages_[sequence];
    if (entry.arrived) {
      ++duplicates_;
      return;
    }
    entry.arrived = true;
    ++received_;
    if (entry.intended >= measure_from_) latency_.Record(now - entry.intended);
  }

  int64_t received() const {
    MutexLock lock(&mutex_);
    return received_;
  }

  void Fill(EndToEndResult* result) const {
    MutexLock lock(&mutex_);
    result->latency = latency_;
    result->received = received_;
    result->duplicates = duplicates_;
  }

 private:
  struct Entry {
    int64_t intended = 0;
    bool arrived = false;
  };
  const uint64_t run_;
  const int64_t warmup_;
  mutable Mutex mutex_;
  int64_t measure_from_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<Entry> messages_ ABSL_GUARDED_BY(mutex_);  // by sequence number
  Histogram latency_ ABSL_GUARDED_BY(mutex_);
  int64_t received_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t duplicates_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Receives that follow one another until Stop. Thread-safe.
class Receiving {
 public:
  Receiving(Receiver& receiver, Target& target) : receiver_(receiver), target_(target) {}

  void Start(int chains) {
    for (int i = 0; i < chains; ++i) Next();
  }

  // The last receives end when the target shuts its transport down.
  void Stop() {
    stopped_ = true;
    target_.transport().Shutdown();
  }

 private:
  void Next() {
    receiver_.Run(next_link_.fetch_add(1), [this](const Outcome& outcome) {
      if (stopped_) return;
      if (outcome.error.empty()) {
        Next();
      } else {
        target_.transport().After(kPauseOfReceiver, [this] { Next(); });
      }
    });
  }

  Receiver& receiver_;
  Target& target_;
  std::atomic<size_t> next_link_{0};
  std::atomic<bool> stopped_{false};
};

// The group was for this run only. Servers without Mansio's admin interface keep it.
void DeleteGroup(const TargetOptions& options) {
  auto admin = client::AdminClient::Create(options.client);
  if (admin.ok()) (*admin)->DeleteGroup(options.group).IgnoreError();
}

void WaitForArrivals(const Arrivals& arrivals, int64_t expected) {
  const int64_t deadline = NowNanos() + kPatience;
  while (arrivals.received() < expected && NowNanos() < deadline) {
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace

absl::StatusOr<EndToEndResult> EndToEnd(const EndToEndOptions& options) {
  const uint64_t run = std::random_device()() & 0xFFFFFF;
  ProduceOptions produce = options.produce;
  produce.first_sequence = run << kSequenceBits;
  produce.target.group = fmt::format("bench-e2e-{:06x}", run);
  produce.target.start_latest = true;
  Arrivals arrivals(run, produce.load.warmup);
  produce.before_send = [&arrivals, &produce](uint64_t first, int64_t intended) {
    arrivals.Sending(first, produce.batch, intended);
  };

  absl::StatusOr<std::unique_ptr<Target>> consuming = Target::Connect(produce.target);
  if (!consuming.ok()) return consuming.status();
  Receiver receiver(produce.target, options.receiver, **consuming, nullptr,
                    [&arrivals](uint64_t tagged) { arrivals.Arrived(tagged); });
  Receiving receiving(receiver, **consuming);
  receiving.Start(options.receivers);
  std::this_thread::sleep_for(kSettle);

  ProduceOptions sending = produce;
  sending.target.group.clear();
  absl::StatusOr<LoadResult> sends = Produce(sending);
  if (sends.ok()) WaitForArrivals(arrivals, sends->messages_in_all);
  receiving.Stop();
  DeleteGroup(produce.target);
  if (!sends.ok()) return sends.status();
  EndToEndResult result;
  arrivals.Fill(&result);
  result.missing = std::max<int64_t>(sends->messages_in_all - result.received, 0);
  result.sends = *std::move(sends);
  return result;
}

}  // namespace mansio::bench
