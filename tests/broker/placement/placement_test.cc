#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/feature_set.h"
#include "broker/placement/consumers.h"
#include "broker/placement/drain_watch.h"
#include "broker/placement/hold_service.h"
#include "broker/placement/unfinished.h"
#include "common/clock/broker_time.h"
#include "common/rpc/testing/fake_call.h"
#include "common/status/wire_status.h"
#include "common/timer/timer_queue.h"
#include "tests/broker/fake_consumption.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

class OneMessage : public store::Append {
 public:
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

class PlacementTest : public testing::Test {
 protected:
  PlacementTest() {
    features_.Add(&metadata_);
    store_ = std::make_unique<store::FakeStore>(&features_);
    metadata_.CreateTopic("orders", MessageType::kFifo, 2, [](const auto&) {});
    metadata_.CreateTopic("plain", MessageType::kNormal, 2, [](const auto&) {});
    metadata_.CreateGroup({.name = "fifo", .fifo = true}, [](const auto&) {});
    metadata_.CreateGroup({.name = "normal"}, [](const auto&) {});
    service_.Register(methods_);
  }

  Unfinished Count(bool in_order) const {
    return CountUnfinished(metadata_, consumption_, {metadata_.FindTopic("orders")}, in_order)[0];
  }
  v1::HoldTopicResponse Hold(const std::string& topic, int seconds, const char* holder = "me") {
    v1::HoldTopicRequest request;
    request.set_holder(holder);
    request.set_name(topic);
    request.mutable_time()->set_seconds(seconds);
    rpc::testing::FakeUnaryCall call(request.SerializeAsString());
    methods_.unary[0].handler(call);
    return call.Response<v1::HoldTopicResponse>();
  }
  void Store(const std::string& topic) {
    auto append = std::make_unique<OneMessage>();
    append->AddMessage({metadata_.FindTopic(topic)->id, 1}, 0, 0, "x");
    ASSERT_TRUE(store_->Submit(std::move(append)).ok());
  }
  bool IsHeld(const std::string& topic) {
    calls_.push_back(std::make_unique<rpc::testing::FakeUnaryCall>(std::string()));
    return !holds_.Pass(topic, *calls_.back(), [] {}).has_value();
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  FeatureSet features_;
  Metadata metadata_{{.groups = 4}, &time_};
  FakeConsumption consumption_;
  gateway::SendHolds holds_{{}, &timers_};
  std::unique_ptr<store::FakeStore> store_;
  HoldService service_{"a",
                       {.metadata = &metadata_, .consumption = &consumption_, .holds = &holds_}};
  rpc::MethodTable methods_;
  std::vector<std::unique_ptr<rpc::testing::FakeUnaryCall>> calls_;
};

TEST_F(PlacementTest, UnfinishedIsWhatIsHandedOutOrReadyOrToBeRetried) {
  EXPECT_EQ(Count(false).messages, 0u);
  consumption_.by_group["fifo"] = {{.topic = "orders", .leased = 1, .ready = 2},
                                   {.topic = "plain", .ready = 9}};
  const GroupPtr normal = metadata_.FindGroup("normal");
  metadata_.EnsureRetryQueue(normal, metadata_.FindTopic("plain")->id, [](const auto&) {});
  metadata_.EnsureRetryQueue(normal, metadata_.FindTopic("orders")->id, [](const auto&) {});
  consumption_.by_group["normal"] = {{.topic = "%RETRY%normal", .queue = 0, .ready = 50},
                                     {.topic = "%RETRY%normal", .queue = 1, .ready = 4}};
  EXPECT_EQ(Count(false).messages, 7u) << "retries of this topic only";
  EXPECT_EQ(Count(true).messages, 3u);
  EXPECT_EQ(Count(true).group, "fifo");
}

// A broadcast client that was restarted has another id by now.
TEST_F(PlacementTest, NobodyWaitsForBroadcastClientsThatAreAway) {
  consumption_.by_group["normal"] = {
      {.topic = "orders", .client = "gone", .ready = 9, .away = true},
      {.topic = "orders", .client = "lives", .ready = 2}};
  EXPECT_EQ(Count(false).messages, 2u);
}

// One that is offline would miss what a broker has that it has never asked.
TEST_F(PlacementTest, GroupsThatConsumeATopicElsewhereGetAPositionHere) {
  const TopicPtr orders = metadata_.FindTopic("orders");
  consumption_.positions[{"normal", metadata_.FindTopic("plain")->id}] = false;
  EXPECT_TRUE(ConsumersOf(metadata_, consumption_, *orders).empty());
  int answers = 0;
  AdmitConsumers(&metadata_, &consumption_, orders,
                 {{.name = "nightly", .fifo = true, .created_ms = 1234}, {.name = "normal"}},
                 [&answers](const absl::Status& status) {
                   EXPECT_TRUE(status.ok()) << status;
                   ++answers;
                 });
  EXPECT_EQ(answers, 1);
  const std::vector<GroupPtr> consumers = ConsumersOf(metadata_, consumption_, *orders);
  ASSERT_EQ(consumers.size(), 2u);
  EXPECT_EQ(consumers[0]->name, "nightly");
  EXPECT_TRUE(consumers[0]->fifo);
  EXPECT_EQ(consumers[0]->created_ms, 1234);
  EXPECT_EQ(consumers[1]->name, "normal");
}

TEST_F(PlacementTest, AGroupThatCannotBeMadeIsSaid) {
  std::vector<absl::Status> answers;
  const auto note = [&answers](const absl::Status& status) { answers.push_back(status); };
  AdmitConsumers(&metadata_, &consumption_, metadata_.FindTopic("orders"),
                 {{.name = "third"}, {.name = "fourth"}, {.name = "fifth"}, {.name = "fifo"}},
                 note);
  AdmitConsumers(&metadata_, &consumption_, metadata_.FindTopic("orders"), {}, note);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(CodeOf(answers[0]), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(consumption_.positions.size(), 3u) << "the others have one";
  EXPECT_TRUE(answers[1].ok());
}

TEST_F(PlacementTest, AHoldSaysWhatFifoGroupsHaveBeforeThem) {
  consumption_.by_group["fifo"] = {{.topic = "orders", .ready = 2}};
  const auto held = Hold("orders", 1);
  EXPECT_EQ(held.status().code(), v2::OK);
  EXPECT_EQ(held.unfinished(), 2);
  EXPECT_EQ(held.group(), "fifo");
  EXPECT_TRUE(IsHeld("orders"));
  EXPECT_EQ(Hold("orders", 0).status().code(), v2::OK);
  EXPECT_FALSE(IsHeld("orders")) << "no time ends it";
}

TEST_F(PlacementTest, OneCommandAtATimeHoldsATopic) {
  EXPECT_EQ(Hold("orders", 1).status().code(), v2::OK);
  EXPECT_EQ(Hold("orders", 1, "another").status().code(), v2::PRECONDITION_FAILED);
  EXPECT_EQ(Hold("orders", 0, "another").status().code(), v2::OK) << "it has none by now";
  EXPECT_TRUE(IsHeld("orders"));
  EXPECT_EQ(Hold("orders", 0).status().code(), v2::OK);
  EXPECT_EQ(Hold("orders", 1, "another").status().code(), v2::OK);
}

TEST_F(PlacementTest, OnlyTopicsWithMessageGroupsAreHeld) {
  EXPECT_EQ(Hold("plain", 1).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Hold("nowhere", 1).status().code(), v2::TOPIC_NOT_FOUND);
  EXPECT_FALSE(IsHeld("plain"));
}

TEST_F(PlacementTest, ATopicThatIsDrainedIsFinishedWhenItsGroupsAre) {
  std::vector<std::string> changed;
  DrainWatch watch(&metadata_, &consumption_, [&changed](const TopicPtr& topic) {
    changed.push_back(topic->name + (topic->IsFinished() ? " finished" : " goes on"));
  });
  watch.Attach(store_.get());
  watch.Look();
  EXPECT_TRUE(changed.empty());
  consumption_.by_group["normal"] = {{.topic = "plain", .leased = 1}};
  metadata_.AlterTopic("plain", {.draining = true}, [](const auto&) {});
  watch.Look();
  EXPECT_FALSE(metadata_.FindTopic("plain")->IsFinished());
  consumption_.by_group.clear();
  watch.Look();
  metadata_.AlterTopic("plain", {.ttl_ms = 1000}, [](const auto&) {});
  EXPECT_TRUE(metadata_.FindTopic("plain")->IsFinished()) << "whatever else is altered";
  watch.Look();
  consumption_.by_group["normal"] = {{.topic = "plain", .ready = 1}};
  Store("plain");  // a delayed message
  watch.Look();
  EXPECT_EQ(changed, (std::vector<std::string>{"plain finished", "plain goes on"}));
  metadata_.AlterTopic("plain", {.draining = false}, [](const auto&) {});
  EXPECT_FALSE(metadata_.AnyDraining());
}

TEST_F(PlacementTest, TopicsThatAreFinishedCostLittle) {
  std::vector<std::string> changed;
  DrainWatch watch(&metadata_, &consumption_,
                   [&changed](const TopicPtr& topic) { changed.push_back(topic->name); });
  watch.Attach(store_.get());
  consumption_.by_group["normal"] = {{.topic = "plain", .ready = 1},
                                     {.topic = "orders", .ready = 1}};
  for (const char* topic : {"orders", "plain"}) {
    metadata_.AlterTopic(topic, {.draining = true}, [](const auto&) {});
  }
  watch.Look();
  EXPECT_EQ(consumption_.described, 2) << "each group once for both topics";
  consumption_.by_group.clear();
  watch.Look();
  EXPECT_EQ(changed.size(), 2u);
  consumption_.described = 0;
  watch.Look();
  watch.Look();
  EXPECT_EQ(consumption_.described, 0);
  Store("plain");
  watch.Look();
  EXPECT_EQ(consumption_.described, 2);
  // Something that is not in its queues: a dead letter was resent.
  const GroupPtr normal = metadata_.FindGroup("normal");
  metadata_.EnsureRetryQueue(normal, metadata_.FindTopic("orders")->id, [](const auto&) {});
  consumption_.by_group["normal"] = {{.topic = "%RETRY%normal", .ready = 1}};
  for (uint64_t i = 0; i < DrainWatch::kRoundsToAll; ++i) watch.Look();
  EXPECT_FALSE(metadata_.FindTopic("orders")->IsFinished());
  EXPECT_TRUE(metadata_.FindTopic("plain")->IsFinished());
}

}  // namespace
}  // namespace mansio::broker
