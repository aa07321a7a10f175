#include "common/sync/sync.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "common/sync/annotations.h"

namespace mansio {
namespace {

TEST(Mutex, ExcludesOtherThreads) {
  Mutex mutex;
  int sum = 0;  // Plain on purpose: under ThreadSanitizer this test checks the annotations too.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10'000; ++i) {
        MutexLock lock(&mutex);
        ++sum;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 40'000);
}

TEST(Mutex, TryLockFailsWhileHeld) {
  Mutex mutex;
  mutex.Lock();
  std::thread([&] { EXPECT_FALSE(mutex.TryLock()); }).join();
  mutex.Unlock();
  std::thread([&] {
    const bool locked = mutex.TryLock();
    EXPECT_TRUE(locked);
    if (locked) mutex.Unlock();
  }).join();
}

TEST(Mutex, ReadersShareAndSeeWhatTheWriterWrote) {
  Mutex mutex;
  int value = 0;
  ReaderMutexLock held(&mutex);
  std::thread([&] { ReaderMutexLock also_held(&mutex); }).join();
  std::thread([&] { EXPECT_FALSE(mutex.TryLock()); }).join();

  Mutex other;
  std::thread writer([&] {
    for (int i = 0; i < 1'000; ++i) {
      MutexLock lock(&other);
      value += 2;
    }
  });
  for (int i = 0; i < 1'000; ++i) {
    ReaderMutexLock lock(&other);
    EXPECT_EQ(value % 2, 0);
  }
  writer.join();
  EXPECT_EQ(value, 2'000);
}

TEST(CondVar, HandsItemsFromOneThreadToAnother) {
  Mutex mutex;
  CondVar not_empty;
  std::deque<int> items;
  int received = 0;
  std::thread consumer([&] {
    for (int expected = 0; expected < 5'000; ++expected) {
      MutexLock lock(&mutex);
      while (items.empty()) not_empty.Wait(&mutex);
      EXPECT_EQ(items.front(), expected);
      items.pop_front();
      ++received;
    }
  });
  for (int i = 0; i < 5'000; ++i) {
    MutexLock lock(&mutex);
    items.push_back(i);
    not_empty.Signal();
  }
  consumer.join();
  EXPECT_EQ(received, 5'000);
}

TEST(CondVar, ReportsThatTheTimeRanOut) {
  Mutex mutex;
  CondVar never;
  MutexLock lock(&mutex);
  EXPECT_TRUE(never.WaitFor(&mutex, absl::Microseconds(1)));
  EXPECT_TRUE(never.WaitUntil(&mutex, absl::UnixEpoch()));
}

TEST(CondVar, SignalAllWakesEveryWaiter) {
  Mutex mutex;
  CondVar changed;
  bool open = false;
  int passed = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      MutexLock lock(&mutex);
      while (!open) changed.Wait(&mutex);
      ++passed;
    });
  }
  {
    MutexLock lock(&mutex);
    open = true;
    changed.SignalAll();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed, 3);
}

// To ThreadSanitizer a relaxed pointer orders nothing, like a hand-over in an uninstrumented
// library.
#if defined(__SANITIZE_THREAD__)
constexpr std::memory_order kStore = std::memory_order_relaxed;
constexpr std::memory_order kLoad = std::memory_order_relaxed;
#else
constexpr std::memory_order kStore = std::memory_order_release;
constexpr std::memory_order kLoad = std::memory_order_acquire;
#endif

TEST(Annotations, OrderAHandOverThatThreadSanitizerCannotSee) {
  int payload = 0;
  std::atomic<int*> slot{nullptr};
  std::thread taker([&] {
    int* taken = nullptr;
    while ((taken = slot.load(kLoad)) == nullptr) std::this_thread::yield();
    TsanAcquire(taken);
    EXPECT_EQ(*taken, 42);
  });
  payload = 42;
  TsanRelease(&payload);
  slot.store(&payload, kStore);
  taker.join();
}

}  // namespace
}  // namespace mansio
