#include "common/timer/timer_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <vector>

#include "common/clock/clock.h"

namespace mansio {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TimerQueueTest : public ::testing::Test {
 protected:
  std::atomic<int64_t> now_{1'000};
  TimerQueue queue_{[this] { return now_.load(); }};
  std::vector<int> ran_;

  TimerQueue::Id Note(int64_t due, int what) {
    return queue_.Schedule(due, [this, what] { ran_.push_back(what); });
  }
};

TEST_F(TimerQueueTest, APauseEndsWhileTheOtherClockStandsStill) {
  int64_t passed = 5;
  TimerQueue queue([this] { return now_.load(); }, [&passed] { return passed; });
  queue.Schedule(1'001, [this] { ran_.push_back(1); });
  queue.ScheduleAfter(10, [this] { ran_.push_back(2); });
  const TimerQueue::Id cancelled = queue.ScheduleAfter(10, [this] { ran_.push_back(3); });
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_TRUE(queue.Cancel(cancelled));
  passed = 14;
  EXPECT_EQ(queue.RunDue(), 0u);
  passed = 15;
  EXPECT_EQ(queue.RunDue(), 1u);
  now_ = 1'001;
  EXPECT_EQ(queue.RunDue(), 1u);
  EXPECT_THAT(ran_, ElementsAre(2, 1));
}

TEST_F(TimerQueueTest, RunsByDueTimeThenByAge) {
  Note(1'300, 3);
  Note(1'200, 1);
  Note(1'200, 2);
  Note(900, 0);
  EXPECT_EQ(queue_.NextDue(), 900);
  EXPECT_EQ(queue_.RunDue(), 1u);
  now_ = 1'199;
  EXPECT_EQ(queue_.RunDue(), 0u);
  now_ = 1'300;
  EXPECT_EQ(queue_.RunDue(), 3u);
  EXPECT_THAT(ran_, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(queue_.size(), 0u);
  EXPECT_EQ(queue_.NextDue(), std::nullopt);
}

TEST_F(TimerQueueTest, CancelSaysWhetherItPreventedTheRun) {
  const auto first = Note(1'100, 1);
  const auto second = Note(1'100, 2);
  EXPECT_TRUE(queue_.Cancel(first));
  EXPECT_FALSE(queue_.Cancel(first));
  now_ = 1'100;
  queue_.RunDue();
  EXPECT_FALSE(queue_.Cancel(second));
  EXPECT_FALSE(queue_.Cancel(12'345));
  EXPECT_THAT(ran_, ElementsAre(2));
}

TEST_F(TimerQueueTest, CallbacksMaySetAndCancelTimers) {
  TimerQueue::Id victim = 0;
  queue_.Schedule(1'000, [&] {
    EXPECT_TRUE(queue_.Cancel(victim));
    Note(500, 7);  // Past: still in this round.
    Note(2'000, 8);
  });
  victim = Note(1'000, 9);
  EXPECT_EQ(queue_.RunDue(), 2u);
  EXPECT_THAT(ran_, ElementsAre(7));
  EXPECT_EQ(queue_.size(), 1u);
}

TEST_F(TimerQueueTest, BehavesLikeASortedListWithManyTimers) {
  std::mt19937_64 random(4);
  std::map<std::pair<int64_t, TimerQueue::Id>, int> model;
  std::vector<std::pair<int64_t, TimerQueue::Id>> keys;
  std::vector<int> expected;
  for (int i = 0; i < 20'000; ++i) {
    const auto due = static_cast<int64_t>(now_ + random() % 1'000);
    keys.emplace_back(due, Note(due, i));
    model[keys.back()] = i;
    if (random() % 2 == 0) {
      const auto& key = keys[random() % keys.size()];
      EXPECT_EQ(queue_.Cancel(key.second), model.erase(key) == 1);
    }
    if (random() % 100 == 0) {
      now_ += 50;
      while (!model.empty() && model.begin()->first.first <= now_) {
        expected.push_back(model.begin()->second);
        model.erase(model.begin());
      }
      queue_.RunDue();
      ASSERT_EQ(ran_, expected);
    }
  }
  EXPECT_EQ(queue_.size(), model.size());
  EXPECT_THAT(ran_, testing::Not(IsEmpty()));
}

TEST(TimerQueueThread, WakesForAnEarlierTimerAndStops) {
  RealClock clock;
  TimerQueue queue([&] { return absl::ToInt64Milliseconds(clock.BootNow()); });
  queue.Start();
  Mutex mutex;
  CondVar changed;
  bool ran = false;
  bool distant_ran = false;
  const int64_t now = absl::ToInt64Milliseconds(clock.BootNow());
  queue.Schedule(now + 3'600'000, [&] { distant_ran = true; });
  queue.Schedule(now + 1, [&] {
    MutexLock lock(&mutex);
    ran = true;
    changed.Signal();
  });
  {
    MutexLock lock(&mutex);
    while (!ran) changed.Wait(&mutex);
  }
  queue.Stop();
  EXPECT_FALSE(distant_ran);
  EXPECT_EQ(queue.size(), 1u);
}

}  // namespace
}  // namespace mansio
