#include "client/bench/transaction.h"

#include <memory>
#include <utility>

#include "client/bench/halves.h"
#include "common/sync/sync.h"

namespace mansio::bench {
namespace {

// Begins and ends one transaction for each call of Run. Thread-safe.
class Transacting {
 public:
  Transacting(const TargetOptions& target_options, const TransactionOptions& options,
              Target& target)
      : options_(options), halves_(target_options, options.produce.size, target) {}

  void Run(int64_t number, absl::AnyInvocable<void(Outcome)> done) {
    halves_.Begin(number, [this, done = std::move(done)](std::string error, OpenHalf half) mutable {
      if (!error.empty()) return done({.error = std::move(error)});
      const int64_t begun = NowNanos();
      halves_.End(half, options_.commit,
                  [this, begun, done = std::move(done)](std::string failed) mutable {
                    if (!failed.empty()) return done({.error = std::move(failed)});
                    {
                      MutexLock lock(&mutex_);
                      end_latency_.Record(NowNanos() - begun);
                    }
                    done({.messages = 1, .bytes = options_.produce.size});
                  });
    });
  }

  Histogram end_latency() const {
    MutexLock lock(&mutex_);
    return end_latency_;
  }

 private:
  const TransactionOptions& options_;
  Halves halves_;
  mutable Mutex mutex_;
  Histogram end_latency_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<TransactionResult> Transact(const TransactionOptions& options) {
  absl::StatusOr<std::unique_ptr<Target>> plain = Target::Connect(options.produce.target);
  if (!plain.ok()) return plain.status();
  TargetOptions target_options = options.produce.target;
  target_options.topic = options.transaction_topic;
  target_options.kind = TopicKind::kTransaction;
  absl::StatusOr<std::unique_ptr<Target>> target = Target::Connect(target_options);
  if (!target.ok()) return target.status();
  Transacting transacting(target_options, options, **target);

  TransactionResult result;
  for (int round = 0; round < options.rounds; ++round) {
    absl::StatusOr<LoadResult> sends = Produce(options.produce, **plain);
    if (!sends.ok()) return sends.status();
    absl::StatusOr<LoadResult> transactions = RunLoad(
        options.produce.load, [&transacting](int64_t number, int64_t /*intended*/, auto done) {
          transacting.Run(number, std::move(done));
        });
    if (!transactions.ok()) return transactions.status();
    result.rounds.push_back({*std::move(sends), *std::move(transactions)});
  }
  result.end_latency = transacting.end_latency();
  return result;
}

}  // namespace mansio::bench
