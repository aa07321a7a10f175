#include "broker/server/local_directory.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/feature_set.h"
#include "common/clock/broker_time.h"
#include "common/status/wire_status.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

class LocalDirectoryTest : public testing::Test {
 protected:
  LocalDirectoryTest() {
    features_.Add(&metadata_);
    store_ = std::make_unique<store::FakeStore>(&features_);
    metadata_.CreateTopic("queue", MessageType::kFifo, 3, [](const absl::StatusOr<TopicPtr>&) {});
  }
  LocalDirectory Directory(bool auto_create) {
    return LocalDirectory({"broker-a", {"192.0.2.1", 8081}, auto_create, 5}, &metadata_, &others_);
  }

  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  FeatureSet features_;
  Metadata metadata_{{}, &time_};
  ClusterView others_{"broker-a", &clock_};
  std::unique_ptr<store::FakeStore> store_;
};

TEST_F(LocalDirectoryTest, RoutesToThisBroker) {
  const auto route = Directory(false).Route("queue");
  ASSERT_TRUE(route.ok());
  EXPECT_EQ(route->message_type, v2::FIFO);
  ASSERT_EQ(route->brokers.size(), 1u);
  EXPECT_EQ(route->brokers[0].broker, "broker-a");
  EXPECT_EQ(route->brokers[0].broker_id, 0);
  EXPECT_EQ(route->brokers[0].queues, 3);
  ASSERT_EQ(route->brokers[0].endpoints.size(), 1u);
  EXPECT_EQ(route->brokers[0].endpoints[0], (gateway::HostPort{"192.0.2.1", 8081}));
}

TEST_F(LocalDirectoryTest, TheRouteSaysWhatTheTopicTakes) {
  for (const auto type : {MessageType::kPriority, MessageType::kMixed}) {
    const std::string name(NameOf(type));
    metadata_.CreateTopic(name, type, 1, [](const absl::StatusOr<TopicPtr>&) {});
  }
  EXPECT_EQ(Directory(false).Route("PRIORITY")->message_type, v2::PRIORITY);
  EXPECT_FALSE(Directory(false).Route("PRIORITY")->mixed);
  EXPECT_TRUE(Directory(false).Route("MIXED")->mixed);
}

TEST_F(LocalDirectoryTest, UnknownTopicsAreNotFound) {
  EXPECT_EQ(CodeOf(Directory(false).Route("nowhere").status()), v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(metadata_.FindTopic("nowhere"), nullptr);
}

TEST_F(LocalDirectoryTest, OrAreCreatedWhereThatIsConfigured) {
  const auto route = Directory(true).Route("fresh");
  ASSERT_TRUE(route.ok());
  EXPECT_EQ(route->brokers[0].queues, 5);
  EXPECT_EQ(metadata_.FindTopic("fresh")->queues, 5u);
}

TEST_F(LocalDirectoryTest, GroupsHaveTheirPolicyOrTheDefault) {
  GroupRecord group;
  group.name = "billing";
  group.max_attempts = 5;
  group.fifo = true;
  metadata_.CreateGroup(group, [](const absl::StatusOr<GroupPtr>&) {});
  EXPECT_EQ(Directory(false).Group("billing").max_attempts, 5);
  EXPECT_TRUE(Directory(false).Group("billing").fifo);
  EXPECT_EQ(Directory(false).Group("unknown").max_attempts, 17);
}

}  // namespace
}  // namespace mansio::broker
