// Another master for a broker group by command: who may become it, who follows, what is lost.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/status/wire_status.h"
#include "tests/common/net/http_get.h"
#include "tests/integration/broker_group.h"
#include "tests/integration/group_load.h"

namespace mansio::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::StartsWith;

constexpr char kName[] = "broker-a";

// What `mansio broker promote` for a member, asked at `node`, ends with.
struct Outcome {
  int exit = 0;
  std::string out;
  std::string err;
};

Outcome Promote(const BrokerProcess& node, int member, std::vector<std::string> options = {}) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = {"--endpoint", node.address(),         "broker", "promote",
                                        kName,        std::to_string(member), "--yes"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  Process command(Binary("mansio"), arguments, directory.path(), "mansio");
  Outcome outcome;
  outcome.exit = command.Wait();
  outcome.out = command.Out();
  outcome.err = command.Err();
  return outcome;
}

void AwaitReignOf(BrokerProcess& member) {
  ASSERT_NE(member.WaitForLog("The reign has begun"), "") << member.Log();
}

void CreateTopicAndGroup(const BrokerProcess& master) {
  ASSERT_TRUE(master.CreateTopic("orders", 2).ok());
  ASSERT_TRUE(master.CreateEarliestGroup("billing").ok());
}

TEST(PromotionTest, ASlaveTakesOverFromAMasterThatWasKilled) {
  // Nobody waits for the old master so long.
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=5m"});
  group.StartAll();
  CreateTopicAndGroup(group.master());
  std::set<std::string> acknowledged;
  {
    Load load(group.master());
    load.AwaitAcknowledged(100);
    group.master().Kill();
    acknowledged = load.End();
  }
  const Outcome promoted = Promote(group.at(2), 2);
  EXPECT_EQ(promoted.exit, 0) << promoted.err << group.at(2).Log();
  EXPECT_THAT(promoted.out, HasSubstr("member 2 is the master of broker broker-a now"));
  EXPECT_THAT(promoted.out, HasSubstr(group.master().address() + " was not reached"));
  AwaitReignOf(group.at(2));
  AwaitMembers(group.at(2), {"2 master in sync", "3 slave in sync"});
  {
    Load load(group.at(3), "later-");
    load.AwaitAcknowledged(50);
    const std::set<std::string> later = load.End();
    acknowledged.insert(later.begin(), later.end());
  }

  // The old master comes back as what its configuration says, and cannot reign: nobody follows it.
  group.master().Start();
  EXPECT_FALSE(group.master().Producer()->Send(MessageTo("orders", "to nobody")).ok());
  const Outcome again = Promote(group.at(2), 2, {"--member", group.master().address()});
  EXPECT_EQ(again.exit, 0) << again.err;
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync", "3 slave in sync"});

  // And so they stay.
  for (const int id : {1, 2, 3}) {
    group.at(id).Kill();
    group.at(id).Start();
  }
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync", "3 slave in sync"});
  EXPECT_THAT(ReceiveAtLeast(group.at(2), acknowledged.size()), IsSupersetOf(acknowledged));
  group.ExpectSameLogs(2);
}

TEST(PromotionTest, AProcessGoesOnInItsNewRoleWithWhatWasSet) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2"});
  const std::string monitor = FreeAddress();
  group.at(2).Change("metrics.listen=" + monitor);
  group.StartAll();
  CreateTopicAndGroup(group.master());
  const auto changed = group.at(2).Admin()->SetConfig("retention.age", "1d");
  ASSERT_TRUE(changed.ok()) << changed.status();
  std::atomic<bool> ended{false};
  std::set<std::string> failed;
  std::thread probes([&] {
    while (!ended) {
      for (const char* path : {"/healthz", "/metrics"}) {
        const std::string answer = net::HttpGet(monitor, path);
        if (!answer.starts_with("HTTP/1.1 200 ")) failed.insert(path + (": " + answer));
      }
    }
  });
  const Outcome promoted = Promote(group.at(2), 2, {"--demote"});
  AwaitReignOf(group.at(2));
  ended = true;
  probes.join();
  EXPECT_EQ(promoted.exit, 0) << promoted.err;
  EXPECT_THAT(failed, IsEmpty());
  EXPECT_THAT(net::HttpGet(monitor, "/readyz"), StartsWith("HTTP/1.1 200 "));
  const auto setting = group.at(2).Admin()->GetConfig("retention.age");
  ASSERT_TRUE(setting.ok()) << setting.status();
  EXPECT_EQ(setting->settings(0).value(), "1d");
  EXPECT_EQ(setting->settings(0).started_with(), "3d");
}

TEST(PromotionTest, WhatMayLoseMessagesIsRefused) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=1s"});
  group.StartAll();
  CreateTopicAndGroup(group.master());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "one")).ok());

  const Outcome lives = Promote(group.at(2), 2);
  EXPECT_NE(lives.exit, 0);
  EXPECT_THAT(lives.err, HasSubstr("is the master and answers"));
  EXPECT_THAT(Promote(group.at(2), 7).err, HasSubstr("no member 7"));

  // The third falls behind, and does not know that the set is without it.
  group.at(3).Kill();
  group.AwaitSet("{1, 2, 3} to {1, 2}");
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "two")).ok());
  group.master().Kill();
  group.at(3).Start();
  const Outcome behind = Promote(group.at(3), 3, {"--member", group.at(2).address()});
  EXPECT_NE(behind.exit, 0);
  EXPECT_THAT(behind.err, HasSubstr("has more of the log"));
  group.at(2).Kill();
  const Outcome alone = Promote(group.at(3), 3);
  EXPECT_NE(alone.exit, 0);
  EXPECT_THAT(alone.err, HasSubstr("{1, 2}, who do not"));
  EXPECT_THAT(MembersAt(group.at(3)), ElementsAre(StartsWith("3 slave")));

  group.at(2).Start();
  const Outcome good = Promote(group.at(2), 2, {"--member", group.at(3).address()});
  EXPECT_EQ(good.exit, 0) << good.err;
  AwaitReignOf(group.at(2));
  EXPECT_EQ(ReceiveAtLeast(group.at(2), 2), (std::multiset<std::string>{"one", "two"}));
}

class DemotionTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Durabilities, DemotionTest,
                         ::testing::Values("durability=replica", "durability=async"));

TEST_P(DemotionTest, AMasterHandsOverAndNothingIsLost) {
  BrokerGroup group({GetParam(), "replication.max-lag=1s"});
  group.master().Start();
  group.at(2).Start();
  group.at(3).Start();
  CreateTopicAndGroup(group.master());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "first")).ok());
  ASSERT_TRUE(group.AwaitCopy(2, "first"));
  ASSERT_TRUE(group.AwaitCopy(3, "first"));
  Load load(group.at(3));
  load.AwaitAcknowledged(50);
  const Outcome promoted = Promote(group.at(2), 2, {"--demote"});
  EXPECT_EQ(promoted.exit, 0) << promoted.err << group.at(2).Log();
  load.AwaitAcknowledged(50);
  std::set<std::string> acknowledged = load.End();
  acknowledged.insert("first");
  EXPECT_THAT(ReceiveAtLeast(group.at(2), acknowledged.size()), IsSupersetOf(acknowledged));
  group.ExpectSameLogs(2);
}

TEST(PromotionTest, AnOldMasterWithoutReplicasThatComesBackServesNoSends) {
  NameserverProcess nameserver;
  nameserver.Start();
  BrokerGroup group({"durability=async", "nameservers=" + nameserver.address()});
  group.master().Start();
  group.at(2).Start();
  CreateTopicAndGroup(group.master());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "kept")).ok());
  ASSERT_TRUE(group.AwaitCopy(2, "kept"));
  group.at(2).Kill();
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "lost")).ok());
  group.master().Kill();
  group.at(2).Start();
  const Outcome careful = Promote(group.at(2), 2);
  EXPECT_NE(careful.exit, 0);
  EXPECT_THAT(careful.err, HasSubstr("with durability async the master waits for no slave"));
  EXPECT_EQ(Promote(group.at(2), 2, {"--force"}).exit, 0);
  EXPECT_THAT(group.at(2).Log(), HasSubstr("Promoted by force: with durability async"));
  ASSERT_NE(group.at(2).WaitForLog("registered with nameserver"), "");
  ASSERT_TRUE(group.at(2).Producer()->Send(MessageTo("orders", "later")).ok());

  group.master().Start();
  ASSERT_NE(group.master().WaitForLog("this one takes nothing any more"), "")
      << group.master().Log();
  const auto refused = group.master().Producer()->Send(MessageTo("orders", "split"));
  EXPECT_EQ(CodeOf(refused.status()), apache::rocketmq::v2::HA_NOT_AVAILABLE) << refused.status();

  // Its configuration makes it a slave, which says what it cuts.
  EXPECT_EQ(group.master().Stop(), 0);
  group.master().Change("role=slave");
  group.master().Change("replication.master=" + group.at(2).address());
  group.master().Start();
  EXPECT_NE(group.master().WaitForLog("is cut from offset"), "") << group.master().Log();
  EXPECT_TRUE(group.AwaitCopy(1, "later"));
  EXPECT_EQ(ReceiveAtLeast(group.at(2), 2), (std::multiset<std::string>{"kept", "later"}));
}

TEST(PromotionTest, AMasterWhoseMachineLostItsPowerHandsOverToTheOneThatHasMore) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=1s"});
  group.StartAll();
  CreateTopicAndGroup(group.master());
  Load load(group.master());
  load.AwaitAcknowledged(200);
  // The third is away, so that nobody but the second can know.
  group.at(3).Kill();
  group.master().Kill();
  const std::set<std::string> acknowledged = load.End();
  group.LosePower(1, 12000);
  group.master().Start();
  AwaitReignOf(group.at(2));
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync"});
  EXPECT_THAT(group.at(2).Log(), HasSubstr("Becomes the master of broker-a by command"));
  group.at(3).Start();
  EXPECT_EQ(Promote(group.at(2), 2, {"--member", group.at(3).address()}).exit, 0);
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync", "3 slave in sync"});
  EXPECT_THAT(group.Missing(2, acknowledged), IsEmpty()) << "of " << acknowledged.size();
  group.ExpectSameLogs(2);
}

TEST(PromotionTest, AfterAPowerCutOfAllTheMasterWaitsForAllOfTheSet) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=1s"});
  group.StartAll();
  CreateTopicAndGroup(group.master());
  Load load(group.master());
  load.AwaitAcknowledged(200);
  for (const int id : {1, 2, 3}) group.at(id).Kill();
  const std::set<std::string> acknowledged = load.End();
  group.LosePower(1, 12000);
  group.LosePower(2, 6000);
  group.LosePower(3, 0);
  for (const int id : {1, 2}) group.at(id).Start();
  EXPECT_NE(group.master().WaitForLog("waits for one of the in-sync members {3}"), "")
      << group.master().Log();
  const Outcome lacking = Promote(group.at(2), 2);
  EXPECT_NE(lacking.exit, 0);
  EXPECT_THAT(lacking.err, HasSubstr("may have lost what they had acknowledged"));
  group.at(3).Start();
  AwaitReignOf(group.at(3));
  AwaitMembers(group.at(3), {"3 master in sync", "1 slave in sync", "2 slave in sync"});
  EXPECT_THAT(group.Missing(3, acknowledged), IsEmpty()) << "of " << acknowledged.size();
  group.ExpectSameLogs(3);
}

TEST(PromotionTest, AMasterThatLostItsPowerAndNothingElseBegins) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=1", "replication.max-lag=1s"});
  group.StartAll();
  AwaitMembers(group.master(), {"1 master in sync", "2 slave in sync", "3 slave in sync"});
  for (const int id : {1, 2, 3}) EXPECT_EQ(group.at(id).Stop(), 0);
  group.LosePower(1, 0);
  group.master().Start();
  EXPECT_NE(group.master().WaitForLog("waits for one of the in-sync members"), "");
  group.at(2).Start();
  AwaitReignOf(group.master());
  AwaitMembers(group.master(), {"1 master in sync", "2 slave in sync"});
}

TEST(PromotionTest, AMasterThatWaitsForOthersIsLetGoByForce) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=1", "replication.max-lag=1s"});
  group.StartAll();
  for (const int id : {1, 2, 3}) group.at(id).Kill();
  group.LosePower(1, 0);
  group.master().Start();
  EXPECT_NE(group.master().WaitForLog("waits for one of the in-sync members {2, 3}"), "");
  EXPECT_NE(Promote(group.master(), 1).exit, 0);
  const Outcome forced = Promote(group.master(), 1, {"--force"});
  EXPECT_EQ(forced.exit, 0) << forced.err;
  AwaitReignOf(group.master());
}

TEST(PromotionTest, AChangeOfTheConfigurationWinsOverTheCommand) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=1s"});
  group.StartAll();
  EXPECT_EQ(Promote(group.at(2), 2, {"--demote"}).exit, 0);
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync", "3 slave in sync"});
  for (const int id : {2, 1, 3}) EXPECT_EQ(group.at(id).Stop(), 0);
  group.Promote(3);
  for (const int id : {3, 1, 2}) group.at(id).Start();
  AwaitMembers(group.at(3), {"3 master in sync", "1 slave in sync", "2 slave in sync"});
  for (const int id : {1, 2}) {
    EXPECT_THAT(group.at(id).Log(),
                HasSubstr("the configuration, which has changed since, applies"));
  }
}

}  // namespace
}  // namespace mansio::testing
