#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/feature_set.h"
#include "broker/placement/drain_watch.h"
#include "broker/placement/hold_service.h"
#include "broker/placement/unfinished.h"
#include "common/clock/broker_time.h"
#include "common/rpc/testing/fake_call.h"
#include "common/timer/timer_queue.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

// Consumption as far as it says how far groups are.
class Positions final : public Consumption {
 public:
  std::vector<Feature*> features() override { return {}; }
  gateway::ClientObserver* observer() override { return nullptr; }
  void Register(rpc::MethodTable&) override {}
  void Start() override {}
  void Stop() override {}
  std::optional<store::QueueOffset> Position(const GroupPtr&, std::string_view,
                                             store::QueueKey) const override {
    return std::nullopt;
  }
  void SetPosition(const GroupPtr&, std::string_view, const TopicPtr&, QueueCursor,
                   PositionMoves::Done done) override {
    done(absl::OkStatus());
  }
  void Reset(const GroupPtr&, const TopicPtr&, ResetPoint, std::optional<uint32_t>,
             PositionMoves::Done done) override {
    done(absl::OkStatus());
  }
  std::vector<v1::GroupExplanation> Explain(const GroupRecord&) const override { return {}; }
  Usage usage() const override { return {}; }
  DeliveryCounters& deliveries() override { return deliveries_; }
  std::vector<QueueConsumption> Describe(const GroupRecord& group) const override {
    const auto found = by_group.find(group.name);
    return found == by_group.end() ? std::vector<QueueConsumption>() : found->second;
  }

  std::map<std::string, std::vector<QueueConsumption>> by_group;

 private:
  DeliveryCounters deliveries_;
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
    return CountUnfinished(metadata_, positions_, *metadata_.FindTopic("orders"), in_order);
  }
  v1::HoldTopicResponse Hold(const std::string& topic, int seconds) {
    v1::HoldTopicRequest request;
    request.set_name(topic);
    request.mutable_time()->set_seconds(seconds);
    rpc::testing::FakeUnaryCall call(request.SerializeAsString());
    methods_.unary[0].handler(call);
    return call.Response<v1::HoldTopicResponse>();
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
  Metadata metadata_{{}, &time_};
  Positions positions_;
  gateway::SendHolds holds_{{}, &timers_};
  std::unique_ptr<store::FakeStore> store_;
  HoldService service_{"a", {.metadata = &metadata_, .consumption = &positions_, .holds = &holds_}};
  rpc::MethodTable methods_;
  std::vector<std::unique_ptr<rpc::testing::FakeUnaryCall>> calls_;
};

TEST_F(PlacementTest, UnfinishedIsWhatIsHandedOutOrReadyOrToBeRetried) {
  EXPECT_EQ(Count(false).messages, 0u);
  positions_.by_group["fifo"] = {{.topic = "orders", .leased = 1, .ready = 2},
                                 {.topic = "plain", .ready = 9}};
  const GroupPtr normal = metadata_.FindGroup("normal");
  metadata_.EnsureRetryQueue(normal, metadata_.FindTopic("plain")->id, [](const auto&) {});
  metadata_.EnsureRetryQueue(normal, metadata_.FindTopic("orders")->id, [](const auto&) {});
  positions_.by_group["normal"] = {{.topic = "%RETRY%normal", .queue = 0, .ready = 50},
                                   {.topic = "%RETRY%normal", .queue = 1, .ready = 4}};
  EXPECT_EQ(Count(false).messages, 7u) << "retries of this topic only";
  EXPECT_EQ(Count(true).messages, 3u);
  EXPECT_EQ(Count(true).group, "fifo");
}

TEST_F(PlacementTest, AHoldSaysWhatFifoGroupsHaveBeforeThem) {
  positions_.by_group["fifo"] = {{.topic = "orders", .ready = 2}};
  const auto held = Hold("orders", 1);
  EXPECT_EQ(held.status().code(), v2::OK);
  EXPECT_EQ(held.unfinished(), 2);
  EXPECT_EQ(held.group(), "fifo");
  EXPECT_TRUE(IsHeld("orders"));
  EXPECT_EQ(Hold("orders", 0).status().code(), v2::OK);
  EXPECT_FALSE(IsHeld("orders")) << "no time ends it";
}

TEST_F(PlacementTest, OnlyTopicsWithMessageGroupsAreHeld) {
  EXPECT_EQ(Hold("plain", 1).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Hold("nowhere", 1).status().code(), v2::TOPIC_NOT_FOUND);
  EXPECT_FALSE(IsHeld("plain"));
}

TEST_F(PlacementTest, ATopicThatIsDrainedIsFinishedWhenItsGroupsAre) {
  std::vector<std::string> changed;
  DrainWatch watch(&metadata_, &positions_, [&changed](const TopicPtr& topic) {
    changed.push_back(topic->name + (topic->IsFinished() ? " finished" : " goes on"));
  });
  watch.Look();
  EXPECT_TRUE(changed.empty());
  positions_.by_group["normal"] = {{.topic = "plain", .leased = 1}};
  metadata_.AlterTopic("plain", {.draining = true}, [](const auto&) {});
  watch.Look();
  EXPECT_FALSE(metadata_.FindTopic("plain")->IsFinished());
  positions_.by_group.clear();
  watch.Look();
  metadata_.AlterTopic("plain", {.ttl_ms = 1000}, [](const auto&) {});
  EXPECT_TRUE(metadata_.FindTopic("plain")->IsFinished()) << "whatever else is altered";
  watch.Look();
  positions_.by_group["normal"] = {{.topic = "plain", .ready = 1}};  // a delayed message came
  watch.Look();
  EXPECT_EQ(changed, (std::vector<std::string>{"plain finished", "plain goes on"}));
  metadata_.AlterTopic("plain", {.draining = false}, [](const auto&) {});
  EXPECT_FALSE(metadata_.AnyDraining());
}

}  // namespace
}  // namespace mansio::broker
