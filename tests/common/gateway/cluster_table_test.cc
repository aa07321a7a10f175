#include "common/gateway/cluster_table.h"

#include <gtest/gtest.h>

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;

ClusterTable::Member MemberOf(const std::string& name, const std::vector<std::string>& topics,
                              int id = 0, const std::string& cluster = "c") {
  ClusterTable::Member member;
  member.identity.set_cluster(cluster);
  member.identity.set_name(name);
  member.identity.set_id(id);
  auto* address = member.identity.add_addresses();
  address->set_host("host-of-" + name);
  address->set_port(8081);
  for (const std::string& topic : topics) {
    member.topics[topic].set_name(topic);
    member.topics[topic].set_queues(4);
    member.topics[topic].set_message_type(v2::NORMAL);
  }
  return member;
}

using Names = std::vector<std::string>;

Names BrokersOf(const TopicRoute& route) {
  Names names;
  for (const BrokerQueues& broker : route.brokers) names.push_back(broker.broker);
  return names;
}

TEST(ClusterTableTest, RoutesFollowEveryChange) {
  ClusterTable table;
  table.Replace(MemberOf("b", {"orders", "old"}));
  table.Replace(MemberOf("a", {"orders"}));
  table.Replace(MemberOf("a", {"orders"}, 1));
  EXPECT_EQ(BrokersOf(table.Route("orders")), (Names{"a", "b"}));
  EXPECT_EQ(table.MastersWith("orders"), (Names{"a", "b"})) << "no slave";
  EXPECT_EQ(table.Route("orders").brokers[1].endpoints[0].host, "host-of-b");

  table.Replace(MemberOf("b", {"new"}));
  EXPECT_EQ(BrokersOf(table.Route("orders")), Names{"a"});
  EXPECT_TRUE(table.Route("old").brokers.empty());
  v1::Delta delta;
  *delta.add_topics() = MemberOf("", {"orders"}).topics["orders"];
  delta.add_deleted_topics("new");
  table.Change({"c", "b", 0}, delta);
  table.Change({"c", "nobody", 0}, delta);
  EXPECT_EQ(BrokersOf(table.Route("orders")), (Names{"a", "b"}));
  EXPECT_TRUE(table.Route("new").brokers.empty());
  for (const int id : {0, 0, 1}) table.Remove({"c", "a", id});
  EXPECT_EQ(BrokersOf(table.Route("orders")), Names{"b"});
}

TEST(ClusterTableTest, RoutesListAllMembersOfAGroupTheMasterFirst) {
  const auto hosts = [](const TopicRoute& route) {
    Names names;
    for (const HostPort& address : route.brokers.at(0).endpoints) names.push_back(address.host);
    return names;
  };
  const auto at = [](const std::string& host, int id) {
    ClusterTable::Member member = MemberOf("a", {"orders"}, id);
    member.identity.mutable_addresses(0)->set_host(host);
    return member;
  };
  ClusterTable table;
  table.Replace(at("third", 3));
  table.Replace(at("second", 2));
  table.Replace(MemberOf("b", {"orders"}, 1));
  // Without a master its slaves stand for it, as one broker.
  EXPECT_EQ(BrokersOf(table.Route("orders")), (Names{"a", "b"}));
  EXPECT_EQ(hosts(table.Route("orders")), (Names{"second", "third"}));
  EXPECT_TRUE(table.MastersWith("orders").empty());
  table.Replace(at("first", 0));
  EXPECT_EQ(BrokersOf(table.Route("orders")), (Names{"a", "b"}));
  EXPECT_EQ(hosts(table.Route("orders")), (Names{"first", "second", "third"}));
  table.Remove({"c", "a", 2});
  EXPECT_EQ(hosts(table.Route("orders")), (Names{"first", "third"}));
}

TEST(ClusterTableTest, GroupsAreFoundWhereTheyAre) {
  ClusterTable table;
  ClusterTable::Member member = MemberOf("b", {});
  member.groups["g"].set_name("g");
  member.groups["g"].set_max_attempts(3);
  table.Replace(member);
  ASSERT_TRUE(table.Group("g").has_value());
  EXPECT_EQ(table.Group("g")->max_attempts, 3);
  v1::Delta delta;
  delta.add_deleted_groups("g");
  delta.add_deleted_groups("unknown");
  table.Change({"c", "b", 0}, delta);
  EXPECT_FALSE(table.Group("g").has_value());
}

void Share(const Names& brokers, ClusterTable::Member* member) {
  member->topics["t"].mutable_brokers()->Assign(brokers.begin(), brokers.end());
}

TEST(ClusterTableTest, AMessageGroupHasTheBrokerThatTheTopicsSharesSay) {
  ClusterTable table;
  ClusterTable::Member a = MemberOf("a", {"t", "undivided"});
  ClusterTable::Member slave = MemberOf("a", {"t"}, 1);
  Share({"b"}, &a);
  Share({"wrong"}, &slave);
  table.Replace(slave);
  table.Replace(a);
  EXPECT_EQ(table.GroupOwner("t", "g"), "b");
  EXPECT_EQ(table.Sharing("t"), Names{"b"});
  EXPECT_EQ(table.GroupOwner("undivided", "g"), "");
  EXPECT_EQ(table.GroupOwner("nowhere", "g"), "");
}

// A broker that was drained, and then away when another one got a share, still names the first.
TEST(ClusterTableTest, TheBrokerThatIsSaidToBeTheOwnerKnowsBetter) {
  ClusterTable table;
  ClusterTable::Member drained = MemberOf("a", {"t"});
  ClusterTable::Member member = MemberOf("b", {"t"});
  ClusterTable::Member owner = MemberOf("c", {"t"});
  Share({"b"}, &drained);
  Share({"c"}, &member);
  Share({"c"}, &owner);
  for (const auto& one : {drained, member, owner}) table.Replace(one);
  EXPECT_EQ(table.GroupOwner("t", "g"), "c");
  EXPECT_EQ(table.GroupOwner("t", "g", "b"), "c");
  EXPECT_EQ(table.GroupOwner("t", "g", "lost"), "lost") << "nothing is stored elsewhere";
}

TEST(ClusterTableTest, TwoThatNameEachOtherAreAskedAFewTimesOnly) {
  ClusterTable table;
  ClusterTable::Member a = MemberOf("a", {"t"});
  ClusterTable::Member b = MemberOf("b", {"t"});
  Share({"b"}, &a);
  Share({"a"}, &b);
  table.Replace(a);
  table.Replace(b);
  EXPECT_NE(table.GroupOwner("t", "g"), "");
}

TEST(ClusterTableTest, MastersAreFoundByNameInEveryCluster) {
  ClusterTable table;
  table.Replace(MemberOf("a", {}, 0, "x"));
  table.Replace(MemberOf("b", {}, 0, "y"));
  table.Replace(MemberOf("c", {}, 1, "y"));
  EXPECT_EQ(table.MasterOf("a")->host, "host-of-a");
  EXPECT_EQ(table.MasterOf("b")->host, "host-of-b");
  EXPECT_FALSE(table.MasterOf("c").has_value());
  EXPECT_FALSE(table.MasterOf("d").has_value());
}

}  // namespace
}  // namespace mansio::gateway
