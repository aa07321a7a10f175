#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "tests/broker/consumption/consumption_harness.h"

// A FIFO group under random operations, with a log that lags behind and crashes that lose its end,
// against the rules of design section 6 written down plainly. The model is exact: it knows of every
// message group what comes next, with which attempt, and when.
namespace mansio::broker {
namespace {

constexpr uint32_t kFifoAttempts = 3;
constexpr size_t kMessageGroups = 6;
constexpr uint32_t kQueues = 2;
constexpr char kFifoDeadLetters[] = "%DLQ%workers";

struct Expected {
  std::string body;
  uint32_t attempts = 0;
  bool acked = false;
  bool led = false;  // came as the first of its batch
  std::string handle;
  absl::Time until;
};

struct FifoModel {
  // Of each message group, what is not finished; the first `batch` of them are leased.
  struct Group {
    std::deque<Expected> messages;
    size_t batch = 0;
  };
  std::map<std::string, Group> groups;
  std::multiset<std::string> dead;

  bool Finished() const {
    return std::all_of(groups.begin(), groups.end(),
                       [](const auto& group) { return group.second.messages.empty(); });
  }
  void FinishFront(Group& group) {
    while (group.batch > 0 && group.messages.front().acked) Drop(group, 0);
  }
  void Drop(Group& group, size_t index) {
    group.messages.erase(group.messages.begin() + static_cast<ptrdiff_t>(index));
    --group.batch;
  }
  // Leases whose time has passed end, those of heads only.
  void Lapse(absl::Time now) {
    for (auto& [name, group] : groups) {
      while (group.batch > 0 && group.messages.front().until <= now) {
        const Expected& head = group.messages.front();
        if (head.attempts >= kFifoAttempts && head.led) {
          dead.insert(head.body);
          Drop(group, 0);
          FinishFront(group);
          continue;
        }
        for (Expected& m : group.messages) m.acked = false;
        group.batch = 0;
      }
    }
  }
};

class FifoScenario {
 public:
  explicit FifoScenario(uint32_t seed) : random_(seed) {
    h_.CreateTopic(kQueues);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, kFifoAttempts, true);
    h_.CreateGroup(StartPolicy::kEarliest, "undertaker");
    h_.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
    h_.Settle();
    h_.SetLag(true);
  }

  void Step() {
    (void)h_.life().clients.Touch("client-1");
    switch (Pick(16)) {
      case 0:
      case 1:
      case 2:
        Send();
        break;
      case 3:
      case 4:
      case 5:
        Receive();
        break;
      case 6:
      case 7:
      case 8:
        Ack();
        break;
      case 9:
        Change();
        break;
      case 10:
        Pass(absl::Milliseconds(Pick(15000)));
        break;
      case 11:
        if (Pick(4) == 0) Restart();
        break;
      case 12:
        if (Pick(4) == 0) Forward();
        break;
      case 13:
        CancelReceives();
        break;
      case 14:
        if (Pick(3) == 0) Fail();
        break;
      case 15:
        if (Pick(6) == 0) Reset();
        break;
    }
    if (Pick(2) == 0) Append();
    if (Pick(3) == 0) Commit();
    if (Pick(8) == 0) CheckNothingIsLeft();
  }

  // In the end everything is acknowledged or dead.
  void Drain() {
    for (int round = 0; round < 200 && !model_.Finished(); ++round) {
      Pass(absl::Seconds(61));
      for (int i = 0; i < 50 && !testing::Test::HasFailure(); ++i) {
        Receive();
        Settle();
        if (!calls_.empty()) break;  // it is parked
        for (auto& [name, group] : model_.groups) {
          while (group.batch > 0) AckOne(group, Pick(group.batch));
        }
      }
    }
    Settle();
    EXPECT_TRUE(model_.Finished());
    EXPECT_EQ(DeadLetters(), model_.dead);
  }

 private:
  struct Ending {
    std::shared_ptr<rpc::testing::FakeUnaryCall> call;
    std::string group;
    std::string body;
  };

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  // The log takes what was submitted; leases are answered.
  void Append() {
    h_.store().StepAppend();
    Collect();
  }
  // And it becomes durable; acks are answered.
  void Commit() {
    h_.store().StepCommit();
    Collect();
    durable_ = model_;
  }
  void Settle() {
    while (h_.store().pending() > 0) {
      Append();
      Commit();
    }
    // A head may have gone before a message whose own time had passed long since.
    model_.Lapse(h_.clock.WallNow());
    h_.Settle();
    Collect();
    durable_ = model_;
  }

  void Send() {
    const size_t group = Pick(1 + Pick(kMessageGroups));  // some are larger than others
    const std::string name = group == 0 ? "" : "g" + std::to_string(group);
    const std::string body = std::to_string(sent_);
    Settle();  // so that the model knows what a crash leaves of the queue
    h_.Send(body, static_cast<uint32_t>(group % kQueues), "", {}, name);
    model_.groups[name].messages.push_back({body, 0, false, false, "", {}});
    stored_[group % kQueues].emplace_back(name, body);
    ++sent_;
    Settle();
  }

  // Moves the group on one queue. Receives go on while that is on its way.
  void Reset() {
    Settle();
    const auto queue = static_cast<uint32_t>(Pick(kQueues));
    const auto& stored = stored_[queue];
    const size_t from = Pick(stored.size() + 1);
    h_.life().consumption->Reset(
        h_.life().metadata.FindGroup(kGroup), h_.life().metadata.FindTopic(kTopic),
        {ResetPoint::Kind::kOffset, static_cast<int64_t>(from)}, queue,
        [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    h_.store().StepAppend();
    for (const auto& [name, body] : stored) model_.groups[name] = {};
    for (size_t offset = from; offset < stored.size(); ++offset) {
      const auto& [name, body] = stored[offset];
      model_.groups[name].messages.push_back({body, 0, false, false, "", {}});
    }
    Collect();
  }

  void Receive() {
    if (calls_.size() >= 4) return;
    const absl::Duration invisible = absl::Seconds(10 + Pick(50));
    calls_.emplace_back(
        h_.Receive({.batch = static_cast<int>(1 + Pick(5)), .invisible = invisible}), invisible);
  }

  // Looks at what has been answered.
  void Collect() {
    for (auto it = acks_.begin(); it != acks_.end();) {
      if (!it->call->finished()) {
        ++it;
        continue;
      }
      const auto answer = it->call->Response<v2::AckMessageResponse>();
      if (failing_ && answer.status().code() == v2::TOO_MANY_REQUESTS) {
        it = acks_.erase(it);
        continue;
      }
      EXPECT_EQ(answer.status().code(), v2::OK) << it->body;
      FifoModel::Group& group = model_.groups[it->group];
      for (size_t i = 0; i < group.batch; ++i) {
        if (group.messages[i].body == it->body) group.messages[i].acked = true;
      }
      model_.FinishFront(group);
      it = acks_.erase(it);
    }
    for (auto it = calls_.begin(); it != calls_.end();) {
      if (!it->first->finished()) {
        ++it;
        continue;
      }
      Delivered(Harness::Messages(it->first), h_.clock.WallNow() + it->second);
      it = calls_.erase(it);
    }
  }

  void Delivered(const std::vector<v2::Message>& messages, absl::Time until) {
    std::map<std::string, size_t> batches;
    for (const v2::Message& m : messages) {
      const v2::SystemProperties& system = m.system_properties();
      FifoModel::Group& group = model_.groups[system.message_group()];
      size_t& size = batches[system.message_group()];
      EXPECT_EQ(group.batch, size) << m.body() << " came while its group had a batch";
      ASSERT_LT(size, group.messages.size()) << m.body() << " came after its end";
      Expected& expected = group.messages[size];
      EXPECT_EQ(m.body(), expected.body) << "order";
      EXPECT_EQ(static_cast<uint32_t>(system.delivery_attempt()), ++expected.attempts) << m.body();
      expected.led = size == 0;
      expected.handle = system.receipt_handle();
      expected.until = until;
      group.batch = ++size;
    }
  }

  struct Picked {
    std::string name;
    FifoModel::Group* group = nullptr;
    size_t index = 0;
    Expected& message() const { return group->messages[index]; }
  };
  // A leased message about which nothing is on its way.
  std::optional<Picked> PickLeased() {
    std::vector<Picked> leased;
    for (auto& [name, group] : model_.groups) {
      for (size_t i = 0; i < group.batch; ++i) {
        const Expected& m = group.messages[i];
        const bool ending = std::any_of(acks_.begin(), acks_.end(),
                                        [&m](const Ending& e) { return e.body == m.body; });
        if (!m.acked && !ending && m.until > h_.clock.WallNow())
          leased.push_back({name, &group, i});
      }
    }
    if (leased.empty()) return std::nullopt;
    return leased[Pick(leased.size())];
  }
  void Ack() {
    const auto picked = PickLeased();
    if (!picked.has_value()) return;
    const Expected& m = picked->message();
    acks_.push_back({h_.BeginAck(m.handle), picked->name, m.body});
  }

  void AckOne(FifoModel::Group& group, size_t index) {
    Expected& m = group.messages[index];
    if (m.acked) return;
    EXPECT_EQ(h_.Ack({m.handle}).status().code(), v2::OK) << m.body;
    m.acked = true;
    model_.FinishFront(group);
    model_.Lapse(h_.clock.WallNow());
  }

  void Change() {
    Settle();
    const auto picked = PickLeased();
    if (!picked.has_value()) return;
    Expected& m = picked->message();
    const absl::Duration invisible = absl::Seconds(1 + Pick(60));
    const auto changed = h_.Change(m.handle, invisible);
    EXPECT_EQ(changed.status().code(), v2::OK) << m.body;
    m.handle = changed.receipt_handle();
    m.until = h_.clock.WallNow() + invisible;
    Settle();
  }

  void Forward() {
    CancelReceives();
    const auto picked = PickLeased();
    if (!picked.has_value()) return;
    EXPECT_EQ(h_.Forward(picked->message().handle), v2::OK);
    model_.dead.insert(picked->message().body);
    model_.Drop(*picked->group, picked->index);
    model_.FinishFront(*picked->group);
    Settle();
  }

  void CancelReceives() {
    // A lease that nobody has seen, and that a crash keeps, would be unknown to the model.
    for (const auto& [call, invisible] : calls_) {
      if (!call->finished()) call->Cancel();
    }
    Settle();
    calls_.clear();
  }

  void Pass(absl::Duration d) {
    CancelReceives();
    h_.Advance(d);
    model_.Lapse(h_.clock.WallNow());
    durable_ = model_;
  }

  // The log cannot take what is on its way; it has room again at once.
  void Fail() {
    Append();
    Commit();
    failing_ = true;
    h_.store().StepFail(absl::ResourceExhaustedError("full"));
    Collect();
    failing_ = false;
    Pass(absl::Seconds(2));  // what could not be logged is tried again
  }

  void Restart() {
    h_.Restart(Pick(2) == 0);
    (void)h_.life().clients.Touch("client-1");
    calls_.clear();
    acks_.clear();
    model_ = durable_;
    Settle();
  }

  // A receive waits only when every message group has a batch or nothing to give.
  void CheckNothingIsLeft() {
    Settle();
    if (calls_.empty()) return;
    for (const auto& [name, group] : model_.groups) {
      EXPECT_TRUE(group.messages.empty() || group.batch > 0) << "group '" << name << "' waits";
    }
  }

  std::multiset<std::string> DeadLetters() {
    std::multiset<std::string> letters;
    for (;;) {
      const ReceiveCall call = h_.Receive({.group = "undertaker", .topic = kFifoDeadLetters});
      h_.Settle();
      if (!call->finished()) {
        call->Cancel();
        return letters;
      }
      const auto messages = Harness::Messages(call);
      for (const v2::Message& m : messages) letters.insert(m.body());
      if (messages.empty()) return letters;  // nobody was ever given up
    }
  }

  std::mt19937 random_;
  Harness h_;
  FifoModel model_;
  FifoModel durable_;  // what a crash leaves of it
  std::vector<std::pair<ReceiveCall, absl::Duration>> calls_;
  std::vector<Ending> acks_;
  // What each queue holds, by offset: message groups and bodies.
  std::vector<std::pair<std::string, std::string>> stored_[kQueues];
  size_t sent_ = 0;
  bool failing_ = false;
};

TEST(FifoModelTest, RandomOperationsWithALaggingLogAndCrashes) {
  const int runs = std::getenv("MANSIO_LONG") != nullptr ? 1000 : 20;
  for (int seed = 1; seed <= runs && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    FifoScenario run(static_cast<uint32_t>(seed));
    for (int step = 0; step < 1000 && !testing::Test::HasFailure(); ++step) run.Step();
    run.Drain();
  }
}

}  // namespace
}  // namespace mansio::broker
