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

TEST_F(LocalDirectoryTest, RoutesListTheSlavesOfAMasterBehindIt) {
  LocalDirectory::Options options{"broker-a", {"192.0.2.1", 8081}, false, 5};
  options.slaves = [] { return std::vector<gateway::HostPort>{{"192.0.2.2", 8081}}; };
  const LocalDirectory master(options, &metadata_, &others_);
  const auto route = master.Route("queue");
  ASSERT_TRUE(route.ok()) << route.status();
  const std::vector<gateway::HostPort> both = {{"192.0.2.1", 8081}, {"192.0.2.2", 8081}};
  EXPECT_EQ(route->brokers.at(0).endpoints, both);
  EXPECT_EQ(master.Masters().front().address, both.front()) << "which calls are passed on to";
}

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

TEST_F(LocalDirectoryTest, WhatAMemberMayLackIsNotDenied) {
  bool lacks = true;
  metadata_.SetMayLack([&lacks] { return lacks; });
  GroupRecord group;
  group.name = "billing";
  metadata_.CreateGroup(group, [](const absl::StatusOr<GroupPtr>&) {});
  for (const bool auto_create : {false, true}) {
    const LocalDirectory directory = Directory(auto_create);
    EXPECT_TRUE(directory.Route("queue").ok()) << "what it knows it answers";
    EXPECT_EQ(CodeOf(directory.Route("late").status()), v2::HA_NOT_AVAILABLE) << auto_create;
    EXPECT_TRUE(directory.CheckGroup("billing").ok());
    EXPECT_EQ(CodeOf(directory.CheckGroup("late")), v2::HA_NOT_AVAILABLE);
  }
  lacks = false;
  EXPECT_EQ(CodeOf(Directory(false).Route("late").status()), v2::TOPIC_NOT_FOUND);
  EXPECT_TRUE(Directory(false).CheckGroup("late").ok());
}

TEST_F(LocalDirectoryTest, OrAreCreatedWhereThatIsConfigured) {
  const auto route = Directory(true).Route("fresh");
  ASSERT_TRUE(route.ok());
  EXPECT_EQ(route->brokers[0].queues, 5);
  EXPECT_EQ(metadata_.FindTopic("fresh")->queues, 5u);
}

TEST_F(LocalDirectoryTest, ASlaveNamesItsMasterAndStandsForItWhileThatIsAway) {
  bool alone = false;
  LocalDirectory::Options options{"broker-a", {"192.0.2.2", 8081}};
  options.master = gateway::HostPort{"192.0.2.1", 8081};
  options.alone = [&alone] { return alone; };
  const LocalDirectory slave(options, &metadata_, &others_);
  EXPECT_EQ(slave.Self(), "") << "it serves nothing that a broker must serve";
  EXPECT_FALSE(slave.Stores("queue"));
  EXPECT_FALSE(slave.Has("queue"));
  EXPECT_EQ(slave.OthersWith("queue"), std::vector<std::string>{"broker-a"});
  EXPECT_EQ(slave.MasterOf("broker-a"), *options.master);
  ASSERT_TRUE(slave.Route("queue").ok());
  EXPECT_EQ(slave.Route("queue")->brokers[0].endpoints,
            (std::vector<gateway::HostPort>{{"192.0.2.1", 8081}, {"192.0.2.2", 8081}}));
  EXPECT_EQ(slave.StandsFor(), "");
  EXPECT_EQ(slave.Masters().front().address, *options.master);
  alone = true;
  EXPECT_EQ(slave.StandsFor(), "broker-a");
  EXPECT_EQ(slave.Masters().front().address, options.advertised);
}

TEST_F(LocalDirectoryTest, WhereTheMasterIsElectedASlaveNamesThePresentOne) {
  std::optional<gateway::HostPort> master;
  LocalDirectory::Options options{"broker-a", {"192.0.2.2", 8081}};
  options.master = gateway::HostPort{};
  options.elected = [&master] { return master; };
  const LocalDirectory slave(options, &metadata_, &others_);
  EXPECT_EQ(slave.Self(), "");
  EXPECT_EQ(slave.MasterOf("broker-a"), std::nullopt);
  EXPECT_EQ(slave.Route("queue")->brokers[0].endpoints,
            (std::vector<gateway::HostPort>{{"192.0.2.2", 8081}}));
  master = gateway::HostPort{"192.0.2.3", 8081};
  EXPECT_EQ(slave.MasterOf("broker-a"), master);
  EXPECT_EQ(slave.Route("queue")->brokers[0].endpoints,
            (std::vector<gateway::HostPort>{{"192.0.2.3", 8081}, {"192.0.2.2", 8081}}));
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
