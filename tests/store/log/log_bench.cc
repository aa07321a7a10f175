// CPU of the log thread and throughput of the commit log alone, without RPC or broker:
//   log_bench DIRECTORY async|sync [messages=500000] [bytes=128] [in-flight=64]
// The directory must be on the disk to be measured, and is left behind.

#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "common/clock/broker_time.h"
#include "common/files/posix_file_system.h"
#include "store/log/commit_log.h"

namespace mansio::store {
namespace {

// Assigns one queue's offsets and counts batches.
class CountingObserver final : public LogObserver {
 public:
  QueueOffset AssignOffset(QueueKey) override { return next_++; }
  void BatchBegin() override {}
  void Apply(const RecordView& record, uint32_t bytes) override {
    applied_bytes_ += bytes + record.kind;
  }
  void BatchEnd() override { batches_.fetch_add(1, std::memory_order_relaxed); }
  void SegmentEnded(LogOffset, LogOffset) override {}
  uint64_t batches() const { return batches_.load(); }

 private:
  QueueOffset next_ = 0;
  uint64_t applied_bytes_ = 0;
  std::atomic<uint64_t> batches_{0};
};

class CountedAppend final : public Append {
 public:
  explicit CountedAppend(std::atomic<uint64_t>* done) : done_(done) {}
  void Applied(const AppendResult&) override { done_->fetch_add(1, std::memory_order_release); }
  void Failed(const absl::Status& status) override {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    std::exit(1);
  }

 private:
  std::atomic<uint64_t>* const done_;
};

double ThreadCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double LogThreadCpuSeconds(CommitLog& log) {
  std::atomic<double> seconds{-1};
  log.RunOnLogThread([&] { seconds.store(ThreadCpuSeconds()); });
  while (seconds.load() < 0) std::this_thread::yield();
  return seconds.load();
}

int Run(const StoreOptions& options, uint64_t messages, size_t bytes, uint64_t in_flight) {
  PosixFileSystem files;
  RealClock clock;
  BrokerTime time(&clock, absl::InfinitePast());
  CountingObserver observer;
  auto log = CommitLog::Open(options, {&files, &time});
  absl::Status status = log.status();
  if (status.ok()) {
    status = (*log)
                 ->Recover(
                     {}, [](const RecordView&, uint32_t) { return absl::OkStatus(); },
                     [](LogOffset, LogOffset) {})
                 .status();
  }
  if (status.ok()) status = (*log)->Start(&observer);
  if (!status.ok()) {
    fmt::print(stderr, "{}\n", std::string(status.message()));
    return 1;
  }
  const std::string content(bytes, 'x');
  std::atomic<uint64_t> done{0};
  const double cpu_before = LogThreadCpuSeconds(**log);
  const double own_before = ThreadCpuSeconds();
  const absl::Time begin = absl::Now();
  for (uint64_t sent = 0; sent < messages; ++sent) {
    while (sent - done.load(std::memory_order_acquire) >= in_flight) std::this_thread::yield();
    auto append = std::make_unique<CountedAppend>(&done);
    append->AddMessage({1, 0}, 0, time.NowMillis(), content);
    if (status = (*log)->Submit(std::move(append)); !status.ok()) break;
  }
  while (status.ok() && done.load() < messages) std::this_thread::yield();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);
  const double own = ThreadCpuSeconds() - own_before;
  const double cpu = LogThreadCpuSeconds(**log) - cpu_before;
  const auto count = static_cast<double>(messages);
  const double batches = static_cast<double>(observer.batches());
  fmt::print(
      "{:.0f} messages/s, {:.1f} messages/scope, log thread {:.2f} us/message, submitter {:.2f}\n",
      count / seconds, count / batches, cpu / count * 1e6, own / count * 1e6);
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace mansio::store

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} DIRECTORY async|sync [messages] [bytes] [in-flight]\n", argv[0]);
    return 2;
  }
  const auto number = [&](int at, uint64_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  mansio::store::StoreOptions options;
  options.path = argv[1];
  options.durability = std::string(argv[2]) == "async" ? mansio::store::Durability::kAsync
                                                       : mansio::store::Durability::kSync;
  return mansio::store::Run(options, number(3, 500'000), number(4, 128), number(5, 64));
}
