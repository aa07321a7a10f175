#include "broker/server/local_registration.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "broker/core/feature_set.h"
#include "common/clock/broker_time.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;
using testing::ElementsAre;

class Names : public RegistrationListener {
 public:
  void TopicChanged(std::string_view name) override { names.push_back("t:" + std::string(name)); }
  void GroupChanged(std::string_view name) override { names.push_back("g:" + std::string(name)); }
  std::vector<std::string> names;
};

TEST(LocalRegistrationTest, TellsNamesAndLooksThemUp) {
  FakeClock clock;
  BrokerTime time(&clock, absl::InfinitePast());
  Metadata metadata({}, &time);
  FeatureSet features;
  features.Add(&metadata);
  LocalRegistration source(&metadata);
  const store::FakeStore store(&features);
  Names listener;
  source.SetListener(&listener);

  metadata.CreateTopic("orders", MessageType::kFifo, 3, [](const absl::StatusOr<TopicPtr>&) {});
  metadata.EnsureGroup("billing", [](const absl::StatusOr<GroupPtr>&) {});
  EXPECT_THAT(listener.names, ElementsAre("t:orders", "g:billing"));
  ASSERT_EQ(source.Topics().size(), 1u);
  const auto topic = source.FindTopic("orders");
  ASSERT_TRUE(topic.has_value());
  EXPECT_EQ(topic->message_type(), v2::FIFO);
  EXPECT_EQ(topic->queues(), 3);
  EXPECT_EQ(topic->permission(), v2::READ_WRITE);
  ASSERT_EQ(source.Groups().size(), 1u);
  EXPECT_EQ(source.FindGroup("billing")->max_attempts(), 17);

  metadata.DeleteTopic("orders", [](const absl::StatusOr<TopicPtr>&) {});
  metadata.DeleteGroup("billing", [](const absl::StatusOr<GroupPtr>&) {});
  EXPECT_THAT(listener.names, ElementsAre("t:orders", "g:billing", "t:orders", "g:billing"));
  EXPECT_FALSE(source.FindTopic("orders").has_value());
  EXPECT_FALSE(source.FindGroup("billing").has_value());

  source.SetListener(nullptr);
  metadata.EnsureGroup("late", [](const absl::StatusOr<GroupPtr>&) {});
  EXPECT_EQ(listener.names.size(), 4u);
}

}  // namespace
}  // namespace mansio::broker
