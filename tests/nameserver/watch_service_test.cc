#include "nameserver/watch_service.h"

#include <gtest/gtest.h>

#include "broker/registration/cluster_view.h"
#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/rpc/testing/fake_call.h"
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
  void Acknowledge(uint64_t sequence) {
    v1::WatchRequest request;
    request.set_acknowledged_sequence(sequence);
    events_->OnMessage(request.SerializeAsString());
  }
  // Applies what has come, and acknowledges it until nothing comes any more.
  void Take() {
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
  WatchService service_{&table_, /*max_waiting=*/20'000};
  rpc::MethodTable methods_;
  std::shared_ptr<FakeBidiCall> call_;
  std::unique_ptr<rpc::BidiEvents> events_;
  broker::ClusterView view_{"self", &clock_};
  size_t taken_ = 0;
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

TEST_F(WatchServiceTest, FewUpdatesAreUnderWayAndTheRestGoesTogether) {
  Open();
  for (SessionId session = 1; session <= 100; ++session) {
    ASSERT_TRUE(Install(session, "broker-" + std::to_string(session), {"orders"}).ok());
  }
  EXPECT_LE(call_->Written<v1::ClusterUpdate>().size(), 4u);
  Take();
  EXPECT_EQ(view_.MastersWith("orders").size(), 100u);
  EXPECT_LT(call_->Written<v1::ClusterUpdate>().size(), 10u);
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

TEST_F(WatchServiceTest, AWatcherThatTakesNothingMustBeginAgain) {
  Open();
  Names topics;
  for (int i = 0; i < 500; ++i) topics.push_back("topic-" + std::to_string(i));
  for (SessionId session = 1; session <= 20; ++session) {
    ASSERT_TRUE(Install(session, "b" + std::to_string(session), topics).ok());
  }
  EXPECT_EQ(call_->status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(WatchServiceTest, WhatIsKnownOutlivesTheStream) {
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  Open();
  Take();
  service_.Stop();
  table_.Remove(1);
  EXPECT_EQ(call_->Written<v1::ClusterUpdate>().size(), 2u)
      << "the nameserver stops, not the broker";
  // A new stream, of a nameserver that does not know the broker yet.
  view_.Begin();
  v1::ClusterUpdate complete;
  complete.set_complete(true);
  view_.Apply(complete);
  clock_.Advance(absl::Seconds(9));
  view_.DropUnconfirmed();
  EXPECT_EQ(view_.size(), 1u);
  clock_.Advance(absl::Seconds(1));
  view_.DropUnconfirmed();
  EXPECT_EQ(view_.size(), 0u) << "it has had the time to register";
}

TEST_F(WatchServiceTest, AClosedWatcherIsForgotten) {
  Open();
  events_->OnClosed();
  const size_t told = call_->Written<v1::ClusterUpdate>().size();
  ASSERT_TRUE(Install(1, "a", {"orders"}).ok());
  EXPECT_EQ(call_->Written<v1::ClusterUpdate>().size(), told);
}

}  // namespace
}  // namespace mansio::nameserver
