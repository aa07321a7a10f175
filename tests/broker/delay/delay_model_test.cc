// Random schedules, recalls, clock jumps and restarts against a model that knows when each message
// is due: delivered exactly once, not early by broker time, in order of due time.

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "tests/broker/delay/delay_harness.h"

namespace mansio::broker {
namespace {

struct Expected {
  int64_t due_ms = 0;
  std::string handle;
  bool recalled = false;
};

class DelayModel {
 public:
  explicit DelayModel(uint64_t seed) : random_(seed) {
    h_.CreateTopic("later", MessageType::kDelay);
  }

  void Run(int timers) {
    while (sent_ < timers) Step(timers);
    h_.clock.SetWall(absl::FromUnixMillis(h_.now()));  // or broker time might stand still
    for (int i = 0; i < 400 && h_.pending() > 0; ++i) h_.Advance(500);
    Check();
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % n); }

  void Step(int timers) {
    const int dice = Below(100);
    if (dice < 70) {
      for (int i = Below(40); i >= 0 && sent_ < timers; --i) SendOne();
    } else if (dice < 80) {
      RecallOne();
    } else if (dice < 95) {
      h_.Advance(Below(2000));
    } else if (dice < 97) {
      h_.clock.SetWall(h_.clock.WallNow() + absl::Seconds(Below(7200) - 3600));
    } else if (dice < 98) {
      h_.store().SetHot(Below(2) == 0, Below(2) == 0);
    } else if (timers <= 5000 || Below(20) == 0) {
      h_.Restart(Below(2) == 0);
    }
  }

  void SendOne() {
    const std::string id = "m" + std::to_string(sent_++);
    Expected& expected = expected_[id];
    DelayHarness::Sent sent;
    if (Below(3) == 0) {
      const int level = 1 + Below(3);
      expected.due_ms = h_.now() + kTestLevels[level - 1];
      sent = h_.Send(DelayHarness::AtLevel("later", id, std::to_string(level)));
    } else {
      expected.due_ms = h_.now() + Below(20000) - 500;
      sent = h_.Send(DelayHarness::AtTime("later", id, expected.due_ms));
    }
    ASSERT_EQ(sent.code, v2::OK) << sent.text;
    expected.handle = sent.handle;
  }

  void RecallOne() {
    if (expected_.empty()) return;
    auto it = expected_.lower_bound("m" + std::to_string(Below(sent_ + 1)));
    if (it == expected_.end() || it->second.handle.empty()) return;
    const v2::Code code = h_.Recall("later", it->second.handle).status().code();
    if (it->second.recalled) {
      EXPECT_EQ(code, v2::OK);
    }
    if (code == v2::OK) {
      it->second.recalled = true;
    } else {
      EXPECT_EQ(code, v2::NOT_FOUND);
      EXPECT_LE(it->second.due_ms, h_.now());
    }
  }

  void Check() {
    std::map<std::string, int> seen;
    int64_t last_due = 0;
    for (const auto& message : h_.Messages("later")) {
      EXPECT_EQ(++seen[message.id], 1) << message.id << " was delivered twice";
      const Expected& expected = expected_.at(message.id);
      EXPECT_FALSE(expected.recalled) << message.id << " was recalled";
      if (expected.handle.empty()) continue;  // was due when it was sent
      EXPECT_GE(message.stored_ms, expected.due_ms) << message.id << " is early";
      EXPECT_GE(expected.due_ms, last_due) << message.id << " is out of order";
      last_due = expected.due_ms;
    }
    for (const auto& [id, expected] : expected_) {
      EXPECT_EQ(seen.contains(id), !expected.recalled) << id;
    }
    EXPECT_EQ(h_.pending(), 0u);
  }

  std::mt19937_64 random_;
  DelayHarness h_;
  std::map<std::string, Expected> expected_;
  int sent_ = 0;
};

TEST(DelayModelTest, ShortHistories) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    DelayModel(seed).Run(300);
  }
}

TEST(DelayModelTest, ManyTimers) {
  const char* const text = std::getenv("MANSIO_LONG");
  DelayModel(4711).Run(text != nullptr && std::string(text) == "1" ? 1'000'000 : 50'000);
}

}  // namespace
}  // namespace mansio::broker
