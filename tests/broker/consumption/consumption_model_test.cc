#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

// Random operations, with restarts between them and crashes of which the log had only some, against
// a model of what a group may see: every
// message until it is acknowledged or dead and never afterwards, its attempt counted up, and never
// to two at once; and each message that used up its attempts, or was forwarded, once among the dead
// letters. Some messages expire: they never come after that, and are skipped or dead letters.
namespace mansio::broker {
namespace {

constexpr uint32_t kMaxAttempts = 4;
constexpr char kDeadLetters[] = "%DLQ%workers";

struct Handed {
  std::string handle;
  absl::Time until;
};

struct Model {
  std::map<std::string, uint32_t> attempts;   // deliveries of each message
  std::map<std::string, Handed> in_flight;    // leased by us
  std::set<std::string> acked;                // or passed over by a reset
  std::set<std::string> given_up;             // since the last reset
  std::multiset<std::string> letters;         // all that were ever given up
  std::map<std::string, int64_t> expires_ms;  // broker time; of those that do
  int sent = 0;
};

class Scenario {
 public:
  explicit Scenario(uint32_t seed) : random_(seed), expired_are_letters_(seed % 2 == 0) {
    TopicRecord topic;
    topic.name = kTopic;
    topic.queues = 3;
    topic.expiry.dead_letter = expired_are_letters_;
    h_.CreateTopic(topic);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, kMaxAttempts);
    h_.CreateGroup(StartPolicy::kEarliest, "undertaker");
    h_.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
    h_.store().Run();
  }

  void Step() {
    switch (Pick(14)) {
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
        if (Pick(5) == 0) h_.Restart(Pick(2) == 0);
        if (Pick(3) == 0) Crash();
        break;
      case 12:
        if (Pick(3) == 0) Forward();
        break;
      case 13:
        if (Pick(20) == 0) Reset();
        break;
    }
  }

  // In the end everything is acknowledged or dead.
  void Drain() {
    // Two rounds more: what has expired is not seen to be gone.
    for (int round = 0, more = 2; round < 200 && (!Done() || more-- > 0); ++round) {
      Pass(absl::Seconds(61));
      for (int i = 0; i < 50; ++i) {
        Receive();
        if (model_.in_flight.empty()) break;
        while (!model_.in_flight.empty()) Ack();
      }
    }
    EXPECT_TRUE(Done());
    std::multiset<std::string> letters = DeadLetters();
    std::multiset<std::string> expected = model_.letters;
    for (const auto& [id, unused] : model_.expires_ms) {
      if (!expired_are_letters_) break;
      // After a reset they may have expired once more.
      EXPECT_GE(letters.count(id), expected.count(id) + (Open(id) ? 1 : 0)) << id;
      letters.erase(id);
      expected.erase(id);
    }
    EXPECT_EQ(letters, expected);
  }

 private:
  // Neither acknowledged nor given up by us.
  bool Open(const std::string& id) const {
    return model_.acked.count(id) == 0 && model_.given_up.count(id) == 0;
  }
  bool Expired(const std::string& id) {
    const auto it = model_.expires_ms.find(id);
    return it != model_.expires_ms.end() && it->second <= h_.life().time.NowMillis();
  }
  bool Done() {
    for (int id = 0; id < model_.sent; ++id) {
      const std::string text = std::to_string(id);
      if (Open(text) && (model_.in_flight.count(text) > 0 || !Expired(text))) return false;
    }
    return true;
  }

  void Send() {
    const std::string id = std::to_string(model_.sent++);
    const auto queue = static_cast<uint32_t>(Pick(3));
    if (Pick(3) != 0) return h_.Send(id, queue);
    const auto ttl = static_cast<int64_t>(1 + Pick(120'000));
    model_.expires_ms[id] = h_.life().time.NowMillis() + ttl;
    h_.Send(id, queue, "", {{"mansio-ttl-ms", std::to_string(ttl)}});
  }

  std::multiset<std::string> DeadLetters() {
    std::multiset<std::string> letters;
    for (;;) {
      const ReceiveCall call = h_.Receive({.group = "undertaker", .topic = kDeadLetters});
      if (!call->finished()) {
        call->Cancel();
        return letters;
      }
      const auto messages = Harness::Messages(call);
      for (const v2::Message& m : messages) {
        EXPECT_EQ(m.system_properties().dead_letter_queue().topic(), kTopic);
        letters.insert(m.body());
      }
      if (messages.empty()) return letters;  // nobody was ever given up
    }
  }

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

  void Pass(absl::Duration d) {
    h_.Advance(d);
    Lapse();
  }
  // Leases whose time has passed have ended; of what is on its way to be finished it is not known.
  void Lapse() {
    const absl::Time now = h_.clock.WallNow();
    for (auto it = model_.in_flight.begin(); it != model_.in_flight.end();) {
      if (it->second.until <= now && finishing_.count(it->first) == 0) {
        stale_.push_back(it->second.handle);
        if (model_.attempts[it->first] == kMaxAttempts) GiveUp(it->first);
        it = model_.in_flight.erase(it);
      } else {
        ++it;
      }
    }
  }

  void Receive() {
    const absl::Duration invisible = absl::Seconds(10 + Pick(50));
    const ReceiveCall call =
        h_.Receive({.batch = static_cast<int>(1 + Pick(8)), .invisible = invisible});
    if (!call->finished()) return call->Cancel();
    Delivered(call, h_.clock.WallNow() + invisible);
  }
  void Delivered(const ReceiveCall& call, absl::Time until) {
    for (const v2::Message& m : Harness::Messages(call)) {
      const std::string& id = m.body();
      EXPECT_FALSE(Expired(id)) << id;
      EXPECT_EQ(model_.acked.count(id), 0u) << "message " << id << " came after its ack";
      EXPECT_EQ(model_.given_up.count(id), 0u) << "message " << id << " came after its death";
      EXPECT_EQ(model_.in_flight.count(id), 0u) << "message " << id << " is leased twice";
      EXPECT_EQ(static_cast<uint32_t>(m.system_properties().delivery_attempt()),
                ++model_.attempts[id])
          << id;
      model_.in_flight[id] = {m.system_properties().receipt_handle(), until};
    }
  }

  void Ack() {
    if (!stale_.empty() && Pick(3) == 0) {
      EXPECT_EQ(h_.Ack({stale_[Pick(stale_.size())]}).status().code(), v2::INVALID_RECEIPT_HANDLE);
    }
    if (model_.in_flight.empty()) return;
    const auto it = std::next(model_.in_flight.begin(), Pick(model_.in_flight.size()));
    EXPECT_EQ(h_.Ack({it->second.handle}).status().code(), v2::OK) << it->first;
    model_.acked.insert(it->first);
    stale_.push_back(it->second.handle);
    model_.in_flight.erase(it);
  }

  void Change() {
    if (model_.in_flight.empty()) return;
    const auto it = std::next(model_.in_flight.begin(), Pick(model_.in_flight.size()));
    const absl::Duration invisible = absl::Seconds(1 + Pick(60));
    const auto changed = h_.Change(it->second.handle, invisible);
    EXPECT_EQ(changed.status().code(), v2::OK);
    stale_.push_back(it->second.handle);
    it->second = {changed.receipt_handle(), h_.clock.WallNow() + invisible};
  }

  void Forward() {
    if (model_.in_flight.empty()) return;
    const auto it = std::next(model_.in_flight.begin(), Pick(model_.in_flight.size()));
    EXPECT_EQ(h_.Forward(it->second.handle), v2::OK);
    EXPECT_EQ(h_.Forward(it->second.handle), v2::OK);
    GiveUp(it->first);
    stale_.push_back(it->second.handle);
    model_.in_flight.erase(it);
  }

  void GiveUp(const std::string& id) {
    model_.given_up.insert(id);
    model_.letters.insert(id);
  }

  // Everything comes again, or nothing of what was sent so far.
  void Reset() {
    const bool to_latest = Pick(2) == 0;
    const Metadata& metadata = h_.life().metadata;
    const auto to = to_latest ? ResetPoint::Kind::kLatest : ResetPoint::Kind::kEarliest;
    h_.life().consumption->Reset(
        metadata.FindGroup(kGroup), metadata.FindTopic(kTopic), {to, 0}, std::nullopt,
        [](const absl::Status& status) { EXPECT_TRUE(status.ok()) << status; });
    h_.Settle();
    for (const auto& [id, handed] : model_.in_flight) stale_.push_back(handed.handle);
    model_.in_flight.clear();
    model_.attempts.clear();
    model_.acked.clear();
    model_.given_up.clear();
    for (int id = 0; to_latest && id < model_.sent; ++id) model_.acked.insert(std::to_string(id));
  }

  // kill -9 while operations are under way: of these the log has the first, perhaps none. Time
  // passes last: nothing is asked of a message whose lease has ended meanwhile.
  void Crash() {
    h_.SetLag(true);
    durable_ = model_;
    for (size_t more = Pick(8); more > 0; --more) {
      Begin();
      LogSome();
    }
    if (Pick(2) == 0) {
      Append();  // leases are as old as their receives, or as what woke them
      h_.clock.Advance(absl::Milliseconds(Pick(15000)));
      h_.life().timers.RunDue();
      Lapse();
    }
    LogSome();
    LogSome();
    h_.Restart(Pick(2) == 0);
    h_.SetLag(false);
    for (const auto& [id, handed] : model_.in_flight) {
      const auto kept = durable_.in_flight.find(id);
      const bool is_kept =
          kept != durable_.in_flight.end() && kept->second.handle == handed.handle;
      if (!is_kept) stale_.push_back(handed.handle);
    }
    model_ = durable_;
    finishing_.clear();
    receiving_.clear();
    sending_ = 0;
    Pass(absl::ZeroDuration());
  }

  void Begin() {
    switch (Pick(4)) {
      case 0:
        return h_.Send(std::to_string(model_.sent + sending_++), static_cast<uint32_t>(Pick(3)));
      case 1: {
        const absl::Duration invisible = absl::Seconds(10 + Pick(50));
        const int batch = static_cast<int>(1 + Pick(8));
        receiving_.emplace_back(h_.Receive({.batch = batch, .invisible = invisible}), invisible);
        return;
      }
      case 2:
        return BeginToFinish(&Harness::BeginAck, false);
      case 3:
        return BeginToFinish(&Harness::BeginForward, true);
    }
  }
  using UnaryCall = std::shared_ptr<rpc::testing::FakeUnaryCall>;
  void BeginToFinish(UnaryCall (Harness::*begin)(const std::string& handle), bool forward) {
    if (model_.in_flight.empty()) return;
    const auto it = std::next(model_.in_flight.begin(), Pick(model_.in_flight.size()));
    if (finishing_.count(it->first) > 0) return;
    finishing_[it->first] = {(h_.*begin)(it->second.handle), forward};
  }

  void LogSome() {
    if (Pick(2) == 0) return;
    Append();
    if (Pick(2) == 0) Commit();
  }
  // The log takes what was submitted; leases are answered.
  void Append() {
    h_.store().StepAppend();
    model_.sent += std::exchange(sending_, 0);
    for (auto it = receiving_.begin(); it != receiving_.end();) {
      const bool answered = it->first->finished();
      if (answered) Delivered(it->first, h_.clock.WallNow() + it->second);
      it = answered ? receiving_.erase(it) : std::next(it);
    }
  }
  // And it becomes durable; acks and forwards are answered.
  void Commit() {
    h_.store().StepCommit();
    for (auto it = finishing_.begin(); it != finishing_.end();) {
      const bool answered = it->second.call->finished();
      if (answered) Finished(it->first, it->second);
      it = answered ? finishing_.erase(it) : std::next(it);
    }
    Lapse();
    durable_ = model_;
  }

  struct Finishing {
    UnaryCall call;
    bool forward = false;
  };
  void Finished(const std::string& id, const Finishing& finishing) {
    if (finishing.forward) {
      EXPECT_EQ(
          finishing.call->Response<v2::ForwardMessageToDeadLetterQueueResponse>().status().code(),
          v2::OK)
          << id;
      GiveUp(id);
    } else {
      EXPECT_EQ(finishing.call->Response<v2::AckMessageResponse>().status().code(), v2::OK) << id;
      model_.acked.insert(id);
    }
    stale_.push_back(model_.in_flight[id].handle);
    model_.in_flight.erase(id);
  }

  std::mt19937 random_;
  const bool expired_are_letters_;
  Harness h_;
  Model model_;
  std::vector<std::string> stale_;
  // While the log lags behind, before a crash:
  Model durable_;                                                  // what the crash leaves
  int sending_ = 0;                                                // submitted only
  std::vector<std::pair<ReceiveCall, absl::Duration>> receiving_;  // not answered yet
  std::map<std::string, Finishing> finishing_;                     // acks and forwards, by message
};

TEST(ConsumptionModelTest, RandomOperationsWithRestarts) {
  const char* const text = std::getenv("MANSIO_LONG");
  const int runs = text != nullptr && std::string(text) == "1" ? 1000 : 20;
  for (int seed = 1; seed <= runs && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Scenario run(static_cast<uint32_t>(seed));
    for (int step = 0; step < 1000 && !testing::Test::HasFailure(); ++step) run.Step();
    run.Drain();
  }
}

}  // namespace
}  // namespace mansio::broker
