#include "broker/server/groups_elsewhere.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "broker/core/feature_set.h"
#include "common/clock/broker_time.h"
#include "common/logging/logging.h"
#include "tests/broker/fake_store.h"

namespace mansio::broker {
namespace {

class GroupsElsewhereTest : public testing::Test {
 protected:
  GroupsElsewhereTest() {
    features_.Add(&metadata_);
    store_ = std::make_unique<store::FakeStore>(&features_);
    metadata_.SetGroupElsewhere(
        [this](std::string_view name, auto done) { elsewhere_.Find(name, std::move(done)); });
  }
  // As its first heartbeat or receive does.
  void Use(const std::string& group) {
    metadata_.EnsureGroup(group, [this](const absl::StatusOr<GroupPtr>& made) {
      ++answers_;
      last_ = made.status();
    });
  }
  // What a nameserver says of another broker, which has the FIFO group "known".
  static v1::ClusterUpdate Told(bool complete) {
    v1::ClusterUpdate update;
    v1::BrokerUpdate* broker = update.add_brokers();
    broker->mutable_broker()->set_name("b");
    auto* address = broker->mutable_broker()->add_addresses();
    address->set_host("192.0.2.2");
    address->set_port(8081);
    broker->set_snapshot(true);
    broker->set_last_part(true);
    v1::GroupInfo* group = broker->add_groups();
    group->set_name("known");
    group->set_fifo(true);
    group->set_max_attempts(3);
    group->mutable_created()->set_seconds(9);
    update.set_complete(complete);
    return update;
  }

  logging::LogCapture log_;
  FakeClock clock_;
  BrokerTime time_{&clock_, absl::InfinitePast()};
  ClusterView others_{"a", &clock_};
  GroupsElsewhere elsewhere_{&others_};
  FeatureSet features_;
  Metadata metadata_{{}, &time_};
  std::unique_ptr<store::FakeStore> store_;
  int answers_ = 0;
  absl::Status last_;
};

TEST_F(GroupsElsewhereTest, ABrokerWaitsUntilItHasHeardOfTheOthers) {
  others_.Expect(/*has_past=*/true);
  Use("known");
  Use("new");
  clock_.Advance(ClusterView::kPatience - absl::Seconds(1));
  others_.KeepHouse();
  EXPECT_EQ(store_->submitted(), 0u) << "made while nobody was asked";
  others_.Begin();
  others_.Apply(Told(true));
  EXPECT_EQ(answers_, 2);
  ASSERT_NE(metadata_.FindGroup("known"), nullptr);
  EXPECT_TRUE(metadata_.FindGroup("known")->fifo);
  EXPECT_EQ(metadata_.FindGroup("known")->max_attempts, 3u);
  EXPECT_EQ(metadata_.FindGroup("known")->created_ms, 9000);
  ASSERT_NE(metadata_.FindGroup("new"), nullptr) << "nobody else has it";
  EXPECT_FALSE(metadata_.FindGroup("new")->fifo);
}

TEST_F(GroupsElsewhereTest, AGroupThatIsToldEarlyIsMadeAtOnce) {
  others_.Expect(/*has_past=*/true);
  others_.Begin();
  others_.Apply(Told(false));
  Use("known");
  EXPECT_EQ(answers_, 1);
  EXPECT_TRUE(metadata_.FindGroup("known")->fifo);
  Use("new");
  EXPECT_EQ(answers_, 1) << "another broker may still be told";
}

// All were down: a broker that watches is faster than one that has to read its log first.
TEST_F(GroupsElsewhereTest, ANameserverThatHasJustStartedMayNotKnowTheOthersYet) {
  others_.Expect(/*has_past=*/true);
  others_.Begin();
  v1::ClusterUpdate nobody;
  nobody.set_complete(true);
  nobody.set_settling(true);
  others_.Apply(nobody);
  Use("known");
  EXPECT_EQ(answers_, 0) << "made while others are still registering";
  others_.Apply(Told(false));
  others_.Apply(nobody);
  EXPECT_EQ(answers_, 0) << "the nameserver is not sure yet";
  nobody.set_settling(false);
  others_.Apply(nobody);
  EXPECT_EQ(answers_, 1);
  EXPECT_TRUE(metadata_.FindGroup("known")->fifo);
}

TEST_F(GroupsElsewhereTest, ANameserverThatStartsLateHasTimeToSettle) {
  others_.Expect(/*has_past=*/true);
  Use("known");
  clock_.Advance(ClusterView::kPatience - absl::Milliseconds(1));
  others_.Begin();
  v1::ClusterUpdate nobody;
  nobody.set_complete(true);
  nobody.set_settling(true);
  others_.Apply(nobody);
  clock_.Advance(ClusterView::kPatienceSettling - absl::Milliseconds(1));
  others_.KeepHouse();
  EXPECT_EQ(answers_, 0);
  clock_.Advance(absl::Milliseconds(1));
  others_.KeepHouse();
  EXPECT_EQ(answers_, 1);
  EXPECT_FALSE(metadata_.FindGroup("known")->fifo);
}

TEST_F(GroupsElsewhereTest, ANewBrokerHasMissedNothing) {
  others_.Expect(/*has_past=*/false);
  Use("new");
  EXPECT_EQ(answers_, 0);
  others_.Begin();
  v1::ClusterUpdate nobody;
  nobody.set_complete(true);
  nobody.set_settling(true);
  others_.Apply(nobody);
  EXPECT_EQ(answers_, 1) << "everything has just been started";
}

TEST_F(GroupsElsewhereTest, WhatWasCompleteOnceIsAskedAtOnce) {
  others_.Expect(/*has_past=*/true);
  others_.Begin();
  others_.Apply(Told(true));
  others_.Begin();  // another nameserver, which has not told anything yet
  Use("new");
  EXPECT_EQ(answers_, 1);
}

TEST_F(GroupsElsewhereTest, WithoutANameserverItGoesOnAfterAWhileAndSaysSo) {
  others_.Expect(/*has_past=*/true);
  Use("known");
  clock_.Advance(ClusterView::kPatience);
  others_.KeepHouse();
  EXPECT_EQ(answers_, 1);
  EXPECT_FALSE(metadata_.FindGroup("known")->fifo);
  EXPECT_TRUE(log_.Contains("group known begins here with default settings"));
  Use("another");
  EXPECT_EQ(answers_, 2) << "nobody waits a second time";
}

TEST_F(GroupsElsewhereTest, ABrokerWithoutNameserversIsTheCluster) {
  Use("new");
  EXPECT_EQ(answers_, 1);
  EXPECT_NE(metadata_.FindGroup("new"), nullptr);
}

TEST_F(GroupsElsewhereTest, NothingIsMadeAtTheEnd) {
  others_.Expect(/*has_past=*/true);
  Use("waiting");
  others_.Stop();
  EXPECT_EQ(answers_, 1);
  EXPECT_TRUE(absl::IsUnavailable(last_));
  Use("late");
  EXPECT_EQ(answers_, 2);
  EXPECT_EQ(store_->submitted(), 0u);
}

TEST_F(GroupsElsewhereTest, NotEverybodyWaits) {
  others_.Expect(/*has_past=*/true);
  for (size_t i = 0; i < ClusterView::kMostWaiting; ++i) Use("known");
  EXPECT_EQ(answers_, 0);
  Use("known");
  EXPECT_EQ(answers_, 1);
  EXPECT_TRUE(absl::IsResourceExhausted(last_));
  others_.Stop();
}

}  // namespace
}  // namespace mansio::broker
