#include "nameserver/watch_service.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "broker/registration/cluster_view.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

using rpc::testing::FakeBidiCall;
using Names = std::vector<std::string>;

// A nameserver's table, and what a broker named "self" makes of the stream.
class WatchServiceTest : public ::testing::Test {
 protected:
  WatchServiceTest() { service_.Register(methods_); }

  void Open() {
    call_ = std::make_shared<FakeBidiCall>();
    events_ = methods_.bidi.at(0).handler(call_);
    taken_ = 0;
    view_.Begin();
    Acknowledge(0);
  }
  // Another watcher, which takes nothing.
  std::shared_ptr<FakeBidiCall> OpenIdle() {
    auto call = std::make_shared<FakeBidiCall>();
    idle_.push_back(methods_.bidi.at(0).handler(call));
    idle_.back()->OnMessage(v1::WatchRequest().SerializeAsString());
    return call;
  }
  void Pass(absl::Duration time) {
    clock_.Advance(time);
    timers_.RunDue();
  }
  size_t Told() const { return call_->Written<v1::ClusterUpdate>().size(); }
  void Acknowledge(uint64_t sequence) {
    v1::WatchRequest request;
    request.set_acknowledged_sequence(sequence);
    events_->OnMessage(request.SerializeAsString());
  }
  // Applies `most` of the updates that have come, and acknowledges them.
  void TakeSome(size_t most) {
    const auto updates = call_->Written<v1::ClusterUpdate>();
    for (const size_t end = std::min(updates.size(), taken_ + most); taken_ < end;) {
      view_.Apply(updates[taken_++]);
      Acknowledge(taken_);
    }
  }
  // Applies what has come and been gathered, and acknowledges it until nothing comes any more.
  void Take() {
    Pass(WatchService::kGather);
    while (true) {
      const auto updates = call_->Written<v1::ClusterUpdate>();
      if (taken_ == updates.size()) return;
      for (; taken_ < updates.size(); ++taken_) {
        EXPECT_EQ(updates[taken_].sequence(), taken_ + 1);
        completed_ = completed_ || updates[taken_].complete();
        view_.Apply(updates[taken_]);
      }
      Acknowledge(taken_);
    }
  }
  absl::Status Install(SessionId session, const std::string& name, const Names& topics) {
    return table_.Install(session,
                          SnapshotOf(Identity(name, "192.0.2." + std::to_string(session)), topics));
  }

  logging::LogCapture log_;
  FakeClock clock_;
  RoutingTable table_{{}, &clock_};
  TimerQueue timers_{[this] { return absl::ToInt64Milliseconds(clock_.BootNow()); }};
  WatchService service_{&table_, &clock_, &timers_};
  rpc::MethodTable methods_;
  std::shared_ptr<FakeBidiCall> call_;
  std::unique_ptr<rpc::BidiEvents> events_;
  std::vector<std::unique_ptr<rpc::BidiEvents>> idle_;
  broker::ClusterView view_{"self", &clock_};
  size_t taken_ = 0;
  SessionId session_ = 0;  // the last one that WhateverHappens has used
  bool completed_ = false;
};

TEST_F(WatchServiceTest, AWatcherIsToldEverythingThenWhatChanges) {
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  ASSERT_TRUE(Install(2, "self", {"orders"}).ok());
  Open();
  Take();
  EXPECT_TRUE(completed_);
  EXPECT_EQ(view_.MastersWith("orders"), Names{"a"}) << "not itself";
  EXPECT_EQ(view_.MasterOf("a")->host, "192.0.2.1");

  v1::Delta delta;
  *delta.add_topics() = Topic("new");
  *delta.add_groups() = Group("g", 5);
  delta.add_deleted_topics("orders");
  ASSERT_TRUE(table_.Change(1, delta).ok());
  ASSERT_TRUE(Install(3, "c", {"of-c"}).ok());
  Take();
  EXPECT_TRUE(view_.MastersWith("orders").empty());
  EXPECT_EQ(view_.MastersWith("new"), Names{"a"});
  EXPECT_EQ(view_.MastersWith("of-c"), Names{"c"});
  EXPECT_EQ(view_.Group("g")->max_attempts, 5);
  table_.Remove(1);
  Take();
  EXPECT_FALSE(view_.MasterOf("a").has_value());
  EXPECT_EQ(view_.size(), 1u);
}

TEST_F(WatchServiceTest, TheFirstChangeIsToldAtOnceAndTheNextOnesTogether) {
  Open();
  Take();
  const size_t before = Told();
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  timers_.RunDue();
  ASSERT_EQ(Told(), before + 1) << "it was quiet";
  for (SessionId session = 2; session <= 100; ++session) {
    ASSERT_TRUE(Install(session, "broker-" + std::to_string(session), {"orders"}).ok());
  }
  Acknowledge(before + 1);
  Pass(WatchService::kGather - absl::Milliseconds(1));
  EXPECT_EQ(Told(), before + 1) << "they are gathered";
  Pass(absl::Milliseconds(1));
  EXPECT_EQ(Told(), before + 2);
  Take();
  EXPECT_EQ(view_.MastersWith("orders").size(), 100u);
  EXPECT_EQ(Told(), before + 2);
}

TEST_F(WatchServiceTest, ABrokerThatCameAndLeftMeanwhileIsHardlyWorthAWord) {
  Open();
  Take();
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Take();
  for (SessionId session = 2; session <= 50; ++session) {
    table_.Remove(session - 1);
    ASSERT_TRUE(Install(session, "a", {"orders"}).ok());
  }
  ASSERT_TRUE(Install(90, "b", {"orders"}).ok());
  table_.Remove(90);
  Take();
  const auto updates = call_->Written<v1::ClusterUpdate>();
  ASSERT_EQ(updates.back().brokers_size(), 2);
  EXPECT_TRUE(updates.back().brokers(0).snapshot()) << "the latest of fifty";
  EXPECT_EQ(updates.back().brokers(0).broker().addresses(0).host(), "192.0.2.50");
  EXPECT_TRUE(updates.back().brokers(1).left());
  EXPECT_EQ(view_.MasterOf("a")->host, "192.0.2.50");
}

TEST_F(WatchServiceTest, ManyWatchersGatherForLonger) {
  for (int i = 0; i < 999; ++i) OpenIdle();
  Open();
  Take();
  const absl::Duration gather = WatchService::kGatherForEach * 1000;
  ASSERT_GT(gather, WatchService::kGather);
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Pass(gather);
  const size_t before = Told();
  ASSERT_TRUE(Install(2, "b", {"orders"}).ok());
  Pass(gather - absl::Milliseconds(1));
  EXPECT_EQ(Told(), before);
  Pass(absl::Milliseconds(1));
  EXPECT_EQ(Told(), before + 1);
}

TEST_F(WatchServiceTest, WhatIsCompleteMayLackSomeUntilBrokersHadTheTimeToRegister) {
  Open();
  auto updates = call_->Written<v1::ClusterUpdate>();
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_TRUE(updates[0].complete());
  EXPECT_TRUE(updates[0].settling());
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Pass(absl::ZeroDuration());
  Pass(WatchService::kSettling - absl::Milliseconds(1));
  updates = call_->Written<v1::ClusterUpdate>();
  ASSERT_EQ(updates.size(), 2u);
  EXPECT_FALSE(updates[1].complete());
  Pass(absl::Milliseconds(1));
  updates = call_->Written<v1::ClusterUpdate>();
  ASSERT_EQ(updates.size(), 3u);
  EXPECT_TRUE(updates[2].complete());
  EXPECT_FALSE(updates[2].settling());
  Open();
  updates = call_->Written<v1::ClusterUpdate>();
  ASSERT_EQ(updates.size(), 1u) << "later there is one word";
  EXPECT_TRUE(updates[0].complete());
  EXPECT_FALSE(updates[0].settling());
}

TEST_F(WatchServiceTest, ASlowWatcherHearsLateThatAllHadTheTimeToRegister) {
  Open();
  for (SessionId session = 1; session <= 5; ++session) {
    ASSERT_TRUE(Install(session, "b" + std::to_string(session), {"orders"}).ok());
    Pass(WatchService::kGather);
  }
  EXPECT_EQ(Told(), 4u) << "no more are under way";
  Pass(WatchService::kSettling);
  Take();
  EXPECT_EQ(Told(), 5u);
  EXPECT_TRUE(call_->Written<v1::ClusterUpdate>().back().complete());
  EXPECT_FALSE(call_->Written<v1::ClusterUpdate>().back().settling());
  EXPECT_EQ(view_.size(), 5u);
}

TEST_F(WatchServiceTest, WhatChangesBeforeItIsToldIsToldAsItIs) {
  for (SessionId session = 1; session <= 9; ++session) {
    ASSERT_TRUE(Install(session, "b" + std::to_string(session), {"orders"}).ok());
  }
  Open();
  v1::Delta delta;
  *delta.add_topics() = Topic("late");
  ASSERT_TRUE(table_.Change(9, delta).ok());
  table_.Remove(8);
  Take();
  EXPECT_EQ(view_.MastersWith("late"), Names{"b9"});
  EXPECT_EQ(view_.MastersWith("orders").size(), 8u);
}

TEST_F(WatchServiceTest, ALargeBrokerComesInParts) {
  Names topics;
  for (int i = 0; i < 2500; ++i) topics.push_back("topic-" + std::to_string(i));
  Open();
  ASSERT_TRUE(Install(1, "a", topics).ok());
  Take();
  EXPECT_EQ(view_.MastersWith("topic-0"), Names{"a"});
  EXPECT_EQ(view_.MastersWith("topic-2499"), Names{"a"});
}

TEST_F(WatchServiceTest, ABrokerMayHaveMoreThanMayWaitForAWatcher) {
  // More than a stream takes at once, too.
  Names topics;
  for (int i = 0; i < 3000; ++i) topics.push_back(std::to_string(i) + std::string(3000, 'x'));
  ASSERT_TRUE(Install(1, "a", topics).ok());
  Open();
  Take();
  EXPECT_TRUE(completed_);
  EXPECT_FALSE(call_->finished());
  EXPECT_EQ(view_.MastersWith(topics.back()), Names{"a"});
  for (const v1::ClusterUpdate& update : call_->Written<v1::ClusterUpdate>()) {
    EXPECT_LT(update.ByteSizeLong(), 1u << 20);
  }
}

TEST_F(WatchServiceTest, ChangesBehindALargeBrokerDoNotEndTheStream) {
  Names topics;
  for (int i = 0; i < 3000; ++i) topics.push_back(std::to_string(i) + std::string(3000, 'x'));
  ASSERT_TRUE(Install(1, "a", topics).ok());
  Open();
  ASSERT_FALSE(view_.MasterOf("a").has_value()) << "most of it waits";
  for (int i = 0; i < 10; ++i) {
    v1::Delta delta;
    *delta.add_topics() = Topic("new-" + std::to_string(i));
    ASSERT_TRUE(table_.Change(1, delta).ok());
  }
  EXPECT_FALSE(call_->finished());
  Take();
  EXPECT_TRUE(completed_);
  EXPECT_EQ(view_.MastersWith("new-9"), Names{"a"});
}

TEST_F(WatchServiceTest, AWatcherThatFellBehindIsToldTheLatestOnly) {
  Open();
  Names topics;
  for (int i = 0; i < 50; ++i) topics.push_back("topic-" + std::to_string(i));
  for (SessionId session = 1; session <= 60; ++session) {
    ASSERT_TRUE(Install(session, "b" + std::to_string(session % 5), topics).ok());
    v1::Delta delta;
    *delta.add_topics() = Topic("changing", static_cast<int>(session));
    ASSERT_TRUE(table_.Change(session, delta).ok());
    Pass(WatchService::kGather);
    table_.Remove(session);
  }
  ASSERT_TRUE(Install(61, "last", {"orders"}).ok());
  EXPECT_FALSE(call_->finished());
  const size_t before = Told();
  EXPECT_EQ(before, 4u);
  Take();
  EXPECT_LE(Told(), before + 2) << "six brokers are soon told";
  EXPECT_EQ(view_.size(), 1u);
  EXPECT_EQ(view_.MastersWith("orders"), Names{"last"});
}

TEST_F(WatchServiceTest, ASlowWatcherHoldsUpNobodyElse) {
  const auto idle = OpenIdle();
  Open();
  for (SessionId session = 1; session <= 20; ++session) {
    ASSERT_TRUE(Install(session, "b" + std::to_string(session), {"orders"}).ok());
    Take();
    EXPECT_EQ(view_.size(), session);
  }
  EXPECT_EQ(idle->Written<v1::ClusterUpdate>().size(), 4u);
}

TEST_F(WatchServiceTest, WhatIsKnownOutlivesTheStream) {
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Open();
  Take();
  const size_t told = Told();
  service_.Stop();
  table_.Remove(1);
  Pass(WatchService::kSettling);
  EXPECT_EQ(Told(), told) << "the nameserver stops, not the broker";
  // A new stream, of a nameserver that does not know the broker yet.
  view_.Begin();
  v1::ClusterUpdate complete;
  complete.set_complete(true);
  view_.Apply(complete);
  clock_.Advance(absl::Seconds(9));
  view_.KeepHouse();
  EXPECT_EQ(view_.size(), 1u);
  clock_.Advance(absl::Seconds(1));
  view_.KeepHouse();
  EXPECT_EQ(view_.size(), 0u) << "it has had the time to register";
}

TEST_F(WatchServiceTest, WhateverHappensAWatcherKnowsTheSameInTheEnd) {
  const auto text = [](int number) { return std::to_string(number); };
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    std::minstd_rand random(seed);
    const auto one_of = [&random](int count) { return static_cast<int>(random() % count); };
    std::map<std::string, SessionId> sessions;  // of the brokers that are there
    const auto change = [&] {
      const std::string name = "b" + text(one_of(4));
      const auto known = sessions.find(name);
      if (known == sessions.end()) {
        sessions[name] = ++session_;
        EXPECT_TRUE(Install(session_, name, {"t" + text(one_of(6))}).ok());
        return;
      }
      if (one_of(5) == 0) {
        table_.Remove(known->second);
        sessions.erase(known);
        return;
      }
      v1::Delta delta;
      *delta.add_topics() = Topic("t" + text(one_of(6)), 1 + one_of(9));
      delta.add_deleted_topics("t" + text(6 + one_of(2)));
      if (one_of(2) == 0) *delta.add_topics() = Topic("t" + text(6 + one_of(2)));
      EXPECT_TRUE(table_.Change(known->second, delta).ok());
    };
    for (int i = one_of(9); i > 0; --i) change();
    Open();
    for (int i = 0; i < 60; ++i) {
      if (one_of(3) > 0) change();
      if (one_of(3) == 0) Pass(absl::Milliseconds(one_of(80)));
      if (one_of(4) == 0) TakeSome(one_of(3));
    }
    Take();
    for (int topic = 0; topic < 8; ++topic) {
      const std::string name = "t" + text(topic);
      const auto expected = table_.Route(name);
      const gateway::TopicRoute known = view_.Route(name);
      ASSERT_EQ(view_.MastersWith(name), table_.OthersWith(name)) << seed;
      for (size_t i = 0; i < known.brokers.size(); ++i) {
        ASSERT_EQ(known.brokers[i].queues, expected->brokers.at(i).queues) << seed;
        ASSERT_EQ(known.brokers[i].endpoints[0].host, expected->brokers.at(i).endpoints[0].host);
      }
    }
    ASSERT_EQ(view_.size(), sessions.size()) << seed;
    for (const auto& [name, session] : sessions) table_.Remove(session);
    Take();
    ASSERT_EQ(view_.size(), 0u) << seed;
    events_->OnClosed();
  }
}

TEST_F(WatchServiceTest, AClosedWatcherIsForgotten) {
  Open();
  events_->OnClosed();
  const size_t told = Told();
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Pass(WatchService::kSettling);
  EXPECT_EQ(Told(), told);
}

}  // namespace
}  // namespace mansio::nameserver
