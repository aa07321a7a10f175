#include "nameserver/routing_table.h"

#include <gtest/gtest.h>

#include "common/clock/clock.h"
#include "common/logging/logging.h"
#include "common/status/wire_status.h"
#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

namespace v2 = apache::rocketmq::v2;
using Names = std::vector<std::string>;

class RoutingTableTest : public ::testing::Test {
 protected:
  absl::Status Install(SessionId session, const v1::BrokerIdentity& identity, const Names& topics) {
    return table_.Install(session, SnapshotOf(identity, topics));
  }
  // "name@host" of each broker in a topic's route.
  Names RouteOf(std::string_view topic) const {
    Names brokers;
    const auto route = table_.Route(topic);
    if (!route.ok()) return brokers;
    for (const auto& broker : route->brokers) {
      brokers.push_back(broker.broker + "@" + broker.endpoints.at(0).host);
    }
    return brokers;
  }

  logging::LogCapture log_;
  FakeClock clock_;
  RoutingTable table_{{.max_topics = 3}, &clock_};
};

TEST_F(RoutingTableTest, MergesTopicsOverBrokersOrderedByName) {
  ASSERT_TRUE(Install(1, Identity("b", "192.0.2.2"), {"orders", "only-b"}).ok());
  ASSERT_TRUE(Install(2, Identity("a", "192.0.2.1"), {"orders"}).ok());
  EXPECT_EQ(RouteOf("orders"), (Names{"a@192.0.2.1", "b@192.0.2.2"}));
  EXPECT_EQ(RouteOf("only-b"), Names{"b@192.0.2.2"});
  const gateway::TopicRoute route = table_.Route("orders").value();
  EXPECT_EQ(route.message_type, v2::NORMAL);
  EXPECT_EQ(route.brokers[0].queues, 8);
  EXPECT_EQ(route.brokers[0].endpoints[0].port, 8081);

  const auto topics = table_.Topics();
  ASSERT_EQ(topics.size(), 2u);
  EXPECT_EQ(topics[0].topic().name(), "only-b");
  EXPECT_EQ(topics[1].brokers_size(), 2);
  const auto brokers = table_.Brokers();
  ASSERT_EQ(brokers.size(), 2u);
  EXPECT_EQ(brokers[1].broker().name(), "b");
  EXPECT_EQ(brokers[1].topics(), 2);
  EXPECT_TRUE(brokers[1].online());
}

TEST_F(RoutingTableTest, WhatWouldMakeRoutesExplodeIsRefused) {
  const auto install = [this](const auto& change) {
    v1::Snapshot snapshot = SnapshotOf(Identity("a"), {"orders"});
    *snapshot.add_groups() = Group("g", 4);
    change(snapshot);
    return table_.Install(1, snapshot).code();
  };
  EXPECT_EQ(install([](v1::Snapshot& s) { s.mutable_topics(0)->set_queues(65'537); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(install([](v1::Snapshot& s) { s.mutable_topics(0)->set_queues(-1); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(install([](v1::Snapshot& s) { s.mutable_topics(0)->set_name(std::string(5000, 'x')); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(install([](v1::Snapshot& s) { s.mutable_groups(0)->set_name(std::string(5000, 'x')); }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(install([](v1::Snapshot& s) {
              for (int i = 0; i < 16; ++i) {
                *s.mutable_broker()->add_addresses() = s.broker().addresses(0);
              }
            }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(
      install([](v1::Snapshot& s) { s.mutable_broker()->set_version(std::string(9000, 'x')); }),
      absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(table_.Brokers().size(), 0u);
  EXPECT_EQ(install([](v1::Snapshot& s) { s.mutable_topics(0)->set_queues(65'536); }),
            absl::StatusCode::kOk);
  v1::Delta delta;
  delta.add_topics()->set_queues(1 << 30);
  EXPECT_EQ(table_.Change(1, delta).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RoutingTableTest, AStreamIsForOneBroker) {
  ASSERT_TRUE(Install(1, Identity("a"), {"orders"}).ok());
  ASSERT_TRUE(Install(1, Identity("a"), {"orders", "more"}).ok());
  EXPECT_EQ(Install(1, Identity("b", "192.0.2.2"), {"orders"}).code(),
            absl::StatusCode::kInvalidArgument);
  table_.Remove(1);
  EXPECT_EQ(table_.Brokers().size(), 0u);
}

TEST_F(RoutingTableTest, AnUnknownTopicIsNotFoundWithACure) {
  const absl::Status nobody = table_.Route("orders").status();
  EXPECT_EQ(CodeOf(nobody), v2::TOPIC_NOT_FOUND);
  EXPECT_NE(nobody.message().find("no broker is registered"), std::string::npos) << nobody;
  ASSERT_TRUE(Install(1, Identity("a"), {"t"}).ok());
  const absl::Status missing = table_.Route("orders").status();
  EXPECT_EQ(CodeOf(missing), v2::TOPIC_NOT_FOUND);
  EXPECT_NE(missing.message().find("mansio topic create"), std::string::npos) << missing;
}

TEST_F(RoutingTableTest, RoutesContainOnlyWhatCanBeUsed) {
  v1::Snapshot snapshot = SnapshotOf(Identity("a"), {"orders"});
  snapshot.mutable_topics(0)->set_permission(v2::NONE);
  ASSERT_TRUE(table_.Install(1, snapshot).ok());
  EXPECT_EQ(CodeOf(table_.Route("orders").status()), v2::TOPIC_NOT_FOUND);

  ASSERT_TRUE(Install(3, Identity("c", "192.0.2.3"), {"orders"}).ok());
  snapshot = SnapshotOf(Identity("d", "192.0.2.4"), {"orders"});
  snapshot.mutable_topics(0)->set_message_type(v2::FIFO);
  ASSERT_TRUE(table_.Install(4, snapshot).ok());
  snapshot = SnapshotOf(Identity("e", "192.0.2.5"), {"orders"});
  snapshot.mutable_topics(0)->set_mixed(true);
  snapshot.mutable_topics(0)->clear_message_type();
  ASSERT_TRUE(table_.Install(5, snapshot).ok());
  EXPECT_EQ(RouteOf("orders"), Names{"c@192.0.2.3"}) << "d and e have another type";
}

TEST_F(RoutingTableTest, ASlaveStandsForAGroupWithoutAMasterButTakesNoChanges) {
  v1::BrokerIdentity slave = Identity("b", "192.0.2.2");
  slave.set_id(1);
  ASSERT_TRUE(Install(1, slave, {"orders"}).ok());
  EXPECT_EQ(RouteOf("orders"), Names{"b@192.0.2.2"});
  EXPECT_TRUE(table_.Masters().empty());
}

TEST_F(RoutingTableTest, WhatAGroupWithoutAMasterMayHaveIsNotDenied) {
  v1::BrokerIdentity slave = Identity("b", "192.0.2.2");
  slave.set_id(2);
  ASSERT_TRUE(Install(1, Identity("a"), {"t"}).ok());
  EXPECT_EQ(CodeOf(table_.Route("late").status()), v2::TOPIC_NOT_FOUND);
  ASSERT_TRUE(Install(2, slave, {}).ok());
  EXPECT_EQ(table_.WithoutMaster(), std::vector<std::string>{"b"});
  const absl::Status unknown = table_.Route("late").status();
  EXPECT_EQ(CodeOf(unknown), v2::HA_NOT_AVAILABLE);
  EXPECT_NE(unknown.message().find("broker group b has members here, but no master"),
            std::string::npos)
      << unknown;
  ASSERT_TRUE(Install(3, Identity("b", "192.0.2.3"), {}).ok());
  EXPECT_TRUE(table_.WithoutMaster().empty());
  EXPECT_EQ(CodeOf(table_.Route("late").status()), v2::TOPIC_NOT_FOUND);
}

TEST_F(RoutingTableTest, ATopicThatIsDrainedIsForReadersOnly) {
  v1::Snapshot snapshot = SnapshotOf(Identity("a"), {"orders"});
  snapshot.mutable_topics(0)->set_permission(v2::READ);
  ASSERT_TRUE(table_.Install(1, snapshot).ok());
  ASSERT_TRUE(Install(2, Identity("b", "192.0.2.2"), {"orders"}).ok());
  const auto route = table_.Route("orders");
  ASSERT_TRUE(route.ok());
  ASSERT_EQ(route->brokers.size(), 2u);
  EXPECT_FALSE(route->brokers[0].writable);
  EXPECT_TRUE(route->brokers[1].writable);
}

TEST_F(RoutingTableTest, AMixedTopicIsRoutedAsOne) {
  v1::Snapshot snapshot = SnapshotOf(Identity("a"), {"all"});
  snapshot.mutable_topics(0)->set_mixed(true);
  snapshot.mutable_topics(0)->clear_message_type();
  ASSERT_TRUE(table_.Install(1, snapshot).ok());
  EXPECT_TRUE(table_.Route("all")->mixed);
}

TEST_F(RoutingTableTest, ADeltaAddsChangesAndDeletes) {
  ASSERT_TRUE(Install(1, Identity("a"), {"old"}).ok());
  v1::Delta delta;
  *delta.add_topics() = Topic("new");
  *delta.add_topics() = Topic("old", 16);
  *delta.add_groups() = Group("g", 5);
  ASSERT_TRUE(table_.Change(1, delta).ok());
  EXPECT_EQ(table_.Route("old")->brokers[0].queues, 16);
  EXPECT_EQ(RouteOf("new").size(), 1u);
  EXPECT_EQ(table_.Group("g").max_attempts, 5);
  ASSERT_EQ(table_.Groups().size(), 1u);
  EXPECT_EQ(table_.Groups()[0].brokers(0), "a");

  delta.Clear();
  delta.add_deleted_topics("old");
  delta.add_deleted_groups("g");
  ASSERT_TRUE(table_.Change(1, delta).ok());
  EXPECT_TRUE(RouteOf("old").empty());
  EXPECT_EQ(table_.Group("g").max_attempts, 17);
  EXPECT_TRUE(table_.Groups().empty());
}

TEST_F(RoutingTableTest, GroupsKeepTheirPolicy) {
  v1::Snapshot snapshot = SnapshotOf(Identity("a"), {});
  *snapshot.add_groups() = Group("g", 3);
  snapshot.mutable_groups(0)->set_fifo(true);
  auto* pause =
      snapshot.mutable_groups(0)->mutable_backoff()->mutable_customized_backoff()->add_next();
  pause->set_seconds(1);
  pause->set_nanos(500'000'000);
  ASSERT_TRUE(table_.Install(1, snapshot).ok());
  const gateway::GroupPolicy policy = table_.Group("g");
  EXPECT_TRUE(policy.fifo);
  EXPECT_EQ(policy.max_attempts, 3);
  EXPECT_EQ(policy.backoff.steps, std::vector<absl::Duration>{absl::Milliseconds(1500)});
}

TEST_F(RoutingTableTest, ALostStreamRemovesTheBrokerAtOnce) {
  ASSERT_TRUE(Install(1, Identity("a"), {"orders"}).ok());
  ASSERT_TRUE(Install(2, Identity("b", "192.0.2.2"), {"orders"}).ok());
  table_.Remove(1);
  EXPECT_EQ(RouteOf("orders"), Names{"b@192.0.2.2"});
  table_.Remove(1);
  table_.Remove(77);
  EXPECT_EQ(table_.Brokers().size(), 1u);
  EXPECT_EQ(table_.KeepAlive(1).code(), absl::StatusCode::kNotFound);
}

TEST_F(RoutingTableTest, ASilentBrokerExpires) {
  ASSERT_TRUE(Install(1, Identity("a"), {"orders"}).ok());
  ASSERT_TRUE(Install(2, Identity("b", "192.0.2.2"), {"orders"}).ok());
  clock_.Advance(absl::Milliseconds(4999));
  table_.ExpireSilent();
  EXPECT_EQ(RouteOf("orders").size(), 2u);
  ASSERT_TRUE(table_.KeepAlive(2).ok());
  clock_.Advance(absl::Milliseconds(1));
  table_.ExpireSilent();
  EXPECT_EQ(RouteOf("orders"), Names{"b@192.0.2.2"});
  EXPECT_TRUE(
      log_.Contains("broker a (id 0) of cluster cluster at 192.0.2.1:8081 left: it was silent"));
  // It must begin again with a snapshot, on the same stream or another one.
  EXPECT_EQ(table_.Change(1, {}).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Install(1, Identity("a"), {"orders"}).ok());
  EXPECT_EQ(RouteOf("orders").size(), 2u);
}

TEST_F(RoutingTableTest, TheSameAddressReplacesItself) {
  ASSERT_TRUE(Install(1, Identity("a", "192.0.2.1", 5), {"old"}).ok());
  ASSERT_TRUE(Install(2, Identity("a", "192.0.2.1", 2), {"new"}).ok()) << "from a backup";
  EXPECT_TRUE(RouteOf("old").empty());
  EXPECT_EQ(RouteOf("new").size(), 1u);
  table_.Remove(1);  // the end of the old stream is noticed late
  EXPECT_EQ(RouteOf("new").size(), 1u);
}

TEST_F(RoutingTableTest, AnotherBrokerAtTheSameAddressDoesNotReplaceAnother) {
  v1::BrokerIdentity first = Identity("a", "192.0.2.1", 3);
  first.set_lineage(1);
  v1::BrokerIdentity second = Identity("a", "192.0.2.1", 9);
  second.set_lineage(2);
  ASSERT_TRUE(Install(1, first, {"orders"}).ok());
  EXPECT_EQ(Install(2, second, {"orders"}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(table_.KeepAlive(1).ok());
  table_.Remove(1);
  EXPECT_TRUE(Install(2, second, {"orders"}).ok()) << "the first one has left";
}

TEST_F(RoutingTableTest, ANewerEpochWins) {
  ASSERT_TRUE(Install(1, Identity("a", "192.0.2.1", 5), {"orders"}).ok());
  const absl::Status older = Install(2, Identity("a", "192.0.2.2", 4), {"orders"});
  EXPECT_EQ(older.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(older.message().find("192.0.2.1:8081"), std::string::npos) << older;
  EXPECT_EQ(SupersededBy(older), "member 0 at 192.0.2.1:8081");
  EXPECT_EQ(RouteOf("orders"), Names{"a@192.0.2.1"});
  EXPECT_EQ(SupersededBy(Install(2, Identity("a", "192.0.2.2", 5), {"orders"})), "");

  ASSERT_TRUE(Install(3, Identity("a", "192.0.2.3", 6), {"orders"}).ok());
  EXPECT_EQ(RouteOf("orders"), Names{"a@192.0.2.3"});
  const absl::Status replaced = table_.KeepAlive(1);
  EXPECT_EQ(replaced.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(replaced.message().find("192.0.2.3:8081"), std::string::npos) << replaced;
  EXPECT_EQ(SupersededBy(replaced), "member 0 at 192.0.2.3:8081");
}

TEST_F(RoutingTableTest, ANameBelongsToTheFirstThatRegisters) {
  ASSERT_TRUE(Install(1, Identity("a", "192.0.2.1"), {"orders"}).ok());
  const absl::Status second = Install(2, Identity("a", "192.0.2.2"), {"orders"});
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.message().find("192.0.2.1:8081"), std::string::npos) << second;
  EXPECT_NE(second.message().find("192.0.2.2:8081"), std::string::npos) << second;
  EXPECT_EQ(RouteOf("orders"), Names{"a@192.0.2.1"});
  EXPECT_TRUE(table_.KeepAlive(1).ok());
  table_.Remove(1);
  EXPECT_TRUE(Install(2, Identity("a", "192.0.2.2"), {"orders"}).ok()) << "the name is free again";
}

TEST_F(RoutingTableTest, AnotherStoreDoesNotTakeANameByItsEpoch) {
  v1::BrokerIdentity first = Identity("a", "192.0.2.1", 3);
  first.set_lineage(1);
  v1::BrokerIdentity second = Identity("a", "192.0.2.2", 9);
  second.set_lineage(2);
  ASSERT_TRUE(Install(1, first, {"orders"}).ok());
  EXPECT_EQ(Install(2, second, {"orders"}).code(), absl::StatusCode::kFailedPrecondition);
  second.set_lineage(1);
  EXPECT_TRUE(Install(2, second, {"orders"}).ok()) << "the group's new master";
  EXPECT_EQ(RouteOf("orders"), Names{"a@192.0.2.2"});
  EXPECT_EQ(Install(1, first, {"orders"}).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RoutingTableTest, OneNameInTwoClustersIsRefused) {
  ASSERT_TRUE(Install(1, Identity("a", "192.0.2.1", 1, "x"), {"orders"}).ok());
  const absl::Status second = Install(2, Identity("a", "192.0.2.2", 2, "y"), {"orders"});
  EXPECT_EQ(second.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(second.message().find("cluster x"), std::string::npos) << second;
  EXPECT_NE(second.message().find("cluster y"), std::string::npos) << second;
  EXPECT_EQ(RouteOf("orders"), Names{"a@192.0.2.1"});
}

TEST_F(RoutingTableTest, ANameIsLookedForInEachCluster) {
  auto install = [this, session = SessionId{0}](const char* name, const char* cluster,
                                                int32_t id = 0) mutable {
    const std::string host = "192.0.2." + std::to_string(++session);
    v1::BrokerIdentity identity = Identity(name, host, 1, cluster);
    identity.set_id(id);
    return Install(session, identity, {"orders"}).ok();
  };
  ASSERT_TRUE(install("b", "x"));
  ASSERT_TRUE(install("d", "x"));
  ASSERT_TRUE(install("c", "y"));
  ASSERT_TRUE(install("a", "z", 1));
  EXPECT_FALSE(install("d", "z"));
  EXPECT_FALSE(install("b", "a")) << "a cluster before the others";
  EXPECT_FALSE(install("c", "x"));
  EXPECT_FALSE(install("a", "y")) << "any member of the group has the name";
  EXPECT_TRUE(install("e", "x"));
  EXPECT_TRUE(install("b", "x", 1)) << "a slave of its own cluster";
  EXPECT_EQ(table_.Brokers().size(), 6u);
}

TEST_F(RoutingTableTest, WhoHasLeftIsRememberedForADay) {
  ASSERT_TRUE(Install(1, Identity("a"), {"orders"}).ok());
  ASSERT_TRUE(Install(2, Identity("b", "192.0.2.2"), {"orders"}).ok());
  EXPECT_TRUE(table_.Lost().empty());
  table_.Remove(1);
  clock_.Advance(absl::Hours(1));
  table_.Remove(2);
  auto lost = table_.Lost();
  ASSERT_EQ(lost.size(), 2u);
  EXPECT_EQ(lost[0].broker().name(), "a");
  EXPECT_FALSE(lost[0].online());
  EXPECT_EQ(lost[1].left().seconds() - lost[0].left().seconds(), 3600);
  ASSERT_TRUE(Install(3, Identity("b", "192.0.2.2"), {"orders"}).ok());
  ASSERT_EQ(table_.Lost().size(), 1u) << "b is back";
  clock_.Advance(absl::Hours(23) + absl::Minutes(1));
  EXPECT_TRUE(table_.Lost().empty()) << "a may have been taken away for good";
}

TEST_F(RoutingTableTest, AMemberThatHasAnotherRoleNowIsNotLost) {
  const auto member = [](int number, int id) {
    v1::BrokerIdentity identity = Identity("a", "192.0.2." + std::to_string(number));
    identity.set_member(number);
    identity.set_id(id);
    return identity;
  };
  ASSERT_TRUE(Install(1, member(1, 0), {"orders"}).ok());
  ASSERT_TRUE(Install(2, member(2, 2), {"orders"}).ok());
  table_.Remove(1);
  ASSERT_EQ(table_.Lost().size(), 1u);
  // Its registration as the master comes before the end of the one as a slave.
  ASSERT_TRUE(Install(3, member(2, 0), {"orders"}).ok());
  table_.Remove(2);
  ASSERT_EQ(table_.Lost().size(), 1u) << "member 2 is here";
  EXPECT_EQ(table_.Lost()[0].broker().member(), 1) << "which is not back with the next master";
  ASSERT_TRUE(Install(4, member(1, 1), {"orders"}).ok());
  EXPECT_TRUE(table_.Lost().empty()) << "member 1 is back as a slave";
}

TEST_F(RoutingTableTest, RefusesWhatRoutesCannotContain) {
  EXPECT_EQ(Install(1, Identity(""), {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Install(1, Identity("a", "0.0.0.0"), {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Install(1, Identity("a", ""), {}).code(), absl::StatusCode::kInvalidArgument);
  v1::BrokerIdentity identity = Identity("a");
  identity.clear_addresses();
  EXPECT_EQ(Install(1, identity, {}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(table_.Brokers().empty());
}

TEST_F(RoutingTableTest, TopicsOfOneBrokerAreLimited) {
  EXPECT_TRUE(Install(1, Identity("a"), {"1", "2", "3"}).ok());
  EXPECT_EQ(Install(2, Identity("b", "192.0.2.2"), {"1", "2", "3", "4"}).code(),
            absl::StatusCode::kResourceExhausted);
  v1::Delta delta;
  *delta.add_topics() = Topic("4");
  EXPECT_EQ(table_.Change(1, delta).code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace mansio::nameserver
