// Producers, readers, checkpoints and retention at once: mostly for ThreadSanitizer.

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "common/sync/sync.h"
#include "tests/store/support/store_harness.h"

namespace mansio::store {
namespace {

constexpr uint32_t kQueues = 4;
constexpr int kProducers = 3;
constexpr int kSendsEach = 200;

class ConcurrencyTest : public ::testing::Test, protected StoreHarness {
 protected:
  // Sends with up to a handful under way, and counts what was applied.
  void Produce(int producer) {
    for (int i = 0; i < kSendsEach; ++i) {
      auto append = std::make_unique<TestAppend>();
      const QueueKey queue{1, static_cast<uint32_t>(i) % kQueues};
      append->AddMessage(queue, 0, 1, std::to_string(producer) + std::string(i * 7 % 900, '.'));
      append->on_applied = [this](const AppendResult&) { ++applied_; };
      append->on_failed = [this](const absl::Status& status) {
        ++applied_;  // nobody waits for it
        FAIL() << status.message();
      };
      ASSERT_TRUE(store->Submit(std::move(append)).ok());
      while (i - applied_ > 20) std::this_thread::yield();
    }
  }

  // Reads a queue from its minimum to where producers end, as a broker does: hot, else on the cold
  // pool.
  void Consume(QueueKey queue) {
    QueueOffset next = 0;
    while (!done_ || next < store->Range(queue).next) {
      auto entries = store->HotEntries(queue, next, 16);
      if (!entries.has_value()) {
        Mutex mutex;
        CondVar finished;
        bool done = false;
        const bool accepted = store->RunCold([&] {
          auto read = store->ReadEntries(queue, next, 16);
          if (read.ok()) {
            entries = *std::move(read);
          } else {
            EXPECT_TRUE(absl::IsOutOfRange(read.status())) << read.status().message();
          }
          const MutexLock lock(&mutex);
          done = true;
          finished.Signal();  // under the lock: the waiter's stack holds all three
        });
        if (!accepted) continue;
        const MutexLock lock(&mutex);
        while (!done) finished.Wait(&mutex);
      }
      // Trimmed on the way: no entries, or none below the minimum, whichever reader saw it.
      if (!entries.has_value() || (entries->empty() && next < store->Range(queue).min)) {
        next = store->Range(queue).min;
        continue;
      }
      for (const QueueEntry& entry : *entries) {
        const auto hot = store->HotMessage(queue, next, entry);
        if (hot.has_value()) {
          EXPECT_EQ(hot->view.queue_offset, next);
        } else {
          const auto read = store->ReadMessage(queue, next, entry);
          EXPECT_TRUE(read.ok() || absl::IsNotFound(read.status())) << read.status().message();
        }
        ++next;
        ++read_;
      }
    }
  }

  std::atomic<int> applied_{0};
  std::atomic<int> read_{0};
  std::atomic<bool> done_{false};
};

TEST_F(ConcurrencyTest, EverybodyAtOnce) {
  options.tail_cache_bytes = 256 << 10;
  options.queue_memory_bytes = 8 << 10;
  options.checkpoint_bytes = 30 << 10;
  options.retention_bytes = 4 * options.segment_bytes;
  ASSERT_TRUE(Open().ok());
  ASSERT_TRUE(Define(1, kQueues).ok());
  std::vector<std::thread> producers;
  std::vector<std::thread> others;
  for (int i = 0; i < kProducers; ++i) producers.emplace_back([this, i] { Produce(i); });
  for (uint32_t i = 0; i < kQueues; ++i) others.emplace_back([this, i] { Consume({1, i}); });
  others.emplace_back([this] {
    while (!done_) EXPECT_TRUE(store->EnforceRetention().ok());
  });
  for (std::thread& producer : producers) producer.join();
  while (applied_ < kProducers * kSendsEach) std::this_thread::yield();
  done_ = true;
  for (std::thread& other : others) other.join();
  EXPECT_GT(read_, 0);
  QueueOffset total = 0;
  for (uint32_t i = 0; i < kQueues; ++i) total += store->Range({1, i}).next;
  EXPECT_EQ(total, static_cast<QueueOffset>(kProducers * kSendsEach));
  EXPECT_TRUE(store->Close().ok());
}

}  // namespace
}  // namespace mansio::store
