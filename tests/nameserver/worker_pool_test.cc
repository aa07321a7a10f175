#include "nameserver/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace mansio::nameserver {
namespace {

TEST(WorkerPoolTest, RunsEverythingThatWasSubmittedBeforeItStops) {
  std::atomic<int> ran = 0;
  WorkerPool pool(2, 100);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(pool.Submit([&ran] { ++ran; }));
  pool.Stop();
  EXPECT_EQ(ran, 50);
  EXPECT_FALSE(pool.Submit([] {}));
}

TEST(WorkerPoolTest, RefusesWhatIsTooMuch) {
  absl::Notification running;
  absl::Notification go;
  WorkerPool pool(1, 1);
  ASSERT_TRUE(pool.Submit([&] {
    running.Notify();
    go.WaitForNotification();
  }));
  running.WaitForNotification();
  EXPECT_TRUE(pool.Submit([] {}));
  EXPECT_FALSE(pool.Submit([] {}));
  go.Notify();
}

}  // namespace
}  // namespace mansio::nameserver
