#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/consumption/backlogs.h"
#include "tests/broker/consumption/consumption_harness.h"

// Random operations, with restarts and failing frames between them, on a topic with a limit: every
// message is delivered or makes way, none does both, and none makes way twice.
namespace mansio::broker {
namespace {

constexpr uint64_t kMaxBacklog = 5;
constexpr uint32_t kLimitedQueues = 3;

class BacklogScenario {
 public:
  BacklogScenario(uint32_t seed, Overflow overflow, bool fifo) : random_(seed), fifo_(fifo) {
    h_.CreateTopic(kLimitedQueues);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, 10000, fifo);
    h_.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
    h_.store().Run();
    Limit({.max_backlog = kMaxBacklog, .overflow = overflow});
  }

  void Step() {
    switch (Pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Send();
        break;
      case 4:
      case 5:
        Receive();
        break;
      case 6:
      case 7:
        AckOne();
        break;
      case 8:
        Look();
        break;
      case 9:
        h_.Advance(absl::Seconds(11));
        break;
      case 10:
        h_.FailNext(absl::UnavailableError("the disk"));
        Look();
        h_.FailNext(absl::OkStatus());
        break;
      default:
        if (Pick(5) == 0) h_.Restart(Pick(2) == 0);
        break;
    }
  }

  // The topic is within its limit, and everything that was sent is accounted for.
  void Finish(bool to_dead_letters) {
    h_.Advance(absl::Milliseconds(Backlogs::kTryAgainMs));
    for (int i = 0; i < 4; ++i) Look();
    EXPECT_LE(Backlog(), kMaxBacklog);
    const std::multiset<std::string> letters = Letters();
    if (to_dead_letters) {
      for (const std::string& letter : letters) {
        EXPECT_EQ(letters.count(letter), 1u) << letter;
        EXPECT_FALSE(delivered_.contains(letter)) << letter;
      }
    } else {
      EXPECT_TRUE(letters.empty());
    }
    Limit({.max_backlog = 0});
    Drain();
    if (to_dead_letters) {
      EXPECT_EQ(letters.size(), made_way());
    }
  }
  size_t made_way() const { return static_cast<size_t>(sent_) - delivered_.size(); }

 private:
  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  void Limit(TopicChange change) {
    h_.life().metadata.AlterTopic(kTopic, change, [](const absl::StatusOr<TopicPtr>&) {});
    h_.store().Run();
  }
  void Look() { h_.Advance(absl::Milliseconds(Backlogs::kLookMs)); }
  uint64_t Backlog() { return h_.life().metadata.FindTopic(kTopic)->backlog_now; }

  void Send() {
    const auto queue = static_cast<uint32_t>(Pick(kLimitedQueues));
    h_.Send(std::to_string(sent_++), queue, "", {},
            fifo_ ? std::to_string(queue) + "-" + std::to_string(Pick(2)) : "");
  }
  size_t Receive() {
    const ReceiveCall call =
        h_.Receive({.batch = 1 + static_cast<int>(Pick(3)), .invisible = absl::Seconds(10)});
    if (!call->finished()) call->Cancel();
    const auto messages = Harness::Messages(call);
    for (const v2::Message& message : messages) {
      delivered_.insert(message.body());
      held_[message.body()] = message.system_properties().receipt_handle();
    }
    return messages.size();
  }
  void AckOne() {
    if (held_.empty()) return;
    const auto one = std::next(held_.begin(), static_cast<ptrdiff_t>(Pick(held_.size())));
    h_.Ack({one->second});
    held_.erase(one);
  }
  void Drain() {
    for (int idle = 0; idle < 3;) {
      const bool found = Receive() > 0;
      while (!held_.empty()) AckOne();
      idle = found ? 0 : idle + 1;
      if (!found) h_.Advance(absl::Seconds(61));
    }
  }
  std::multiset<std::string> Letters() {
    std::multiset<std::string> ids;
    const auto response = h_.ListDeadLetters();
    for (const auto& letter : response.dead_letters()) ids.insert(letter.message_id());
    return ids;
  }

  std::mt19937 random_;
  const bool fifo_;
  Harness h_;
  int sent_ = 0;
  std::set<std::string> delivered_;
  std::map<std::string, std::string> held_;  // handles
};

TEST(BacklogsModelTest, EveryMessageIsDeliveredOrMakesWay) {
  const int runs = std::getenv("MANSIO_LONG") != nullptr ? 4000 : 80;
  size_t made_way = 0;
  for (int seed = 1; seed <= runs && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    const bool to_dead_letters = seed % 2 == 0;
    BacklogScenario scenario(static_cast<uint32_t>(seed),
                             to_dead_letters ? Overflow::kDeadLetter : Overflow::kDropOldest,
                             seed % 4 >= 2);
    for (int step = 0; step < 250; ++step) scenario.Step();
    scenario.Finish(to_dead_letters);
    made_way += scenario.made_way();
  }
  EXPECT_GT(made_way, 0u);
}

}  // namespace
}  // namespace mansio::broker
