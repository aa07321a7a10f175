// A broker group of real processes: what survives when its members are killed.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "client/lib/pull_consumer.h"
#include "common/status/wire_status.h"
#include "tests/integration/broker_group.h"
#include "tests/integration/group_load.h"

namespace mansio::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

// A broker that changes its role starts again inside its process.
TEST(ReopenTest, ClientsNoticeABreakAndNoError) {
  BrokerProcess broker({"store.segment-bytes=1MiB"});
  broker.Start();
  ASSERT_TRUE(broker.CreateTopic("orders", 2).ok());
  ASSERT_TRUE(broker.CreateEarliestGroup("billing").ok());
  Load load(broker);
  load.AwaitAcknowledged(20);
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(kill(broker.pid(), SIGUSR1), 0);
    load.AwaitAcknowledged(50);
  }
  const std::set<std::string> acknowledged = load.End();
  EXPECT_EQ(load.failures(), 0) << broker.Log();
  const auto received = ReceiveAtLeast(broker, acknowledged.size());
  EXPECT_THAT(received, IsSupersetOf(acknowledged));
  EXPECT_EQ(broker.Stop(), 0) << broker.Log();
}

class ReplicationTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Durabilities, ReplicationTest,
                         ::testing::Values("durability=replica", "durability=replica-sync"));

TEST_P(ReplicationTest, NothingAcknowledgedIsLostWhenSlavesAndTheMasterAreKilled) {
  BrokerGroup group({GetParam(), "replication.min-in-sync=2", "replication.max-lag=1s"});
  group.StartAll();
  ASSERT_TRUE(group.master().CreateTopic("orders", 2).ok());
  ASSERT_TRUE(group.master().CreateEarliestGroup("billing").ok());
  Load load(group.master());
  load.AwaitAcknowledged(50);

  group.at(2).Kill();
  group.AwaitSet("{1, 2, 3} to {1, 3}");
  load.AwaitAcknowledged(50);
  group.at(2).Start();
  group.AwaitSet("{1, 3} to {1, 2, 3}");
  load.AwaitAcknowledged(50);

  group.master().Kill();
  group.master().Start();
  group.AwaitReign();
  load.AwaitAcknowledged(50);

  const std::set<std::string> acknowledged = load.End();
  EXPECT_THAT(group.Missing(1, acknowledged), IsEmpty());
  group.ExpectSameLogs(1);
  for (const int id : {2, 3}) {
    const std::string copy = group.LogBytes(id);
    for (const std::string& body : acknowledged) {
      ASSERT_NE(copy.find(body), std::string::npos) << "slave " << id << " lacks " << body;
    }
  }
}

TEST(ReplicationTest, SendsAreRefusedWithTooFewMembersAndGoOnWhenTheyAreBack) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=3", "replication.max-lag=1s"});
  group.master().Start();
  group.at(2).Start();
  const auto refused = group.master().Producer()->Send(MessageTo("orders", "early"));
  EXPECT_FALSE(refused.ok());
  group.at(3).Start();
  group.AwaitReign();
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "one")).ok());
  group.at(3).Kill();
  ASSERT_NE(group.master().WaitForLog("Replication to slave 3"), "");
  const auto late = group.master().Producer()->Send(MessageTo("orders", "two"));
  ASSERT_FALSE(late.ok());
  EXPECT_THAT(std::string(late.status().message()), HasSubstr("replication.min-in-sync"));
  group.at(3).Start();
  ASSERT_NE(group.at(3).WaitForLog("Follows the master"), "");
  Load load(group.master());
  load.AwaitAcknowledged(1);
}

TEST(ReplicationTest, ASlaveThatIsStoppedInOrderIsNotWaitedFor) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "replication.max-lag=5m"});
  group.StartAll();
  ASSERT_TRUE(group.master().CreateTopic("orders", 2).ok());
  Load load(group.master());
  load.AwaitAcknowledged(50);
  EXPECT_EQ(group.at(2).Stop(), 0);
  EXPECT_THAT(group.at(2).Log(), HasSubstr("goes on without this slave"));
  group.AwaitSet("{1, 2, 3} to {1, 3}");
  load.AwaitAcknowledged(50);
  group.at(2).Start();
  group.AwaitSet("{1, 3} to {1, 2, 3}");
  load.AwaitAcknowledged(50);
  EXPECT_EQ(group.at(3).Stop(), 0);
  group.AwaitSet("{1, 2, 3} to {1, 2}");
  load.AwaitAcknowledged(50);
  load.End();
  EXPECT_EQ(load.failures(), 0) << load.first_failure();
}

TEST(ReplicationTest, AMemberThatIsConfiguredOtherwiseIsNamed) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2"});
  group.at(3).Change("replication.min-in-sync=1");
  group.StartAll();
  EXPECT_NE(group.master().WaitForLog("replication.min-in-sync 1 (its master has 2)"), "");
  const auto list = group.master().Admin()->ListBrokers();
  ASSERT_TRUE(list.ok()) << list.status();
  for (const v1::BrokerOverview& overview : list->brokers()) {
    const bool is_other = overview.broker().member() == 3;
    EXPECT_EQ(overview.trouble_kind() == v1::TROUBLE_KIND_SETTINGS_DIFFER, is_other)
        << overview.DebugString();
    EXPECT_EQ(overview.trouble().empty(), !is_other);
  }
}

TEST(ReplicationTest, ASlavePassesCallsOnAndAnswersReadsWhileTheMasterIsAway) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2"});
  group.StartAll();
  for (const int id : {1, 2}) {
    AwaitMembers(group.at(id), {"1 master in sync", "2 slave in sync", "3 slave in sync"});
  }
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  ASSERT_TRUE(group.master().CreateEarliestGroup("billing").ok());
  BrokerProcess& slave = group.at(2);
  const auto producer = slave.Producer();
  for (int n = 0; n < 10; ++n) {
    const auto receipt = producer->Send(MessageTo("orders", std::to_string(n)));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
  }
  EXPECT_EQ(ReceiveAtLeast(slave, 5).size(), 10u);

  group.master().Kill();
  ASSERT_NE(slave.WaitForLog("Lost the master"), "");
  const auto pull = client::PullConsumer::Create(slave.Client(), "reader");
  ASSERT_TRUE(pull.ok()) << pull.status();
  const auto queues = (*pull)->Queues("orders");
  ASSERT_TRUE(queues.ok()) << queues.status();
  std::vector<std::string> bodies;
  while (bodies.size() < 10) {
    const auto pulled =
        (*pull)->Pull(queues->front(), static_cast<int64_t>(bodies.size()), 32, "*", kWait);
    ASSERT_TRUE(pulled.ok()) << pulled.status();
    for (const auto& message : pulled->messages) bodies.push_back(message.body);
  }
  for (int n = 0; n < 10; ++n) EXPECT_EQ(bodies[n], std::to_string(n));
  EXPECT_TRUE(slave.Admin()->DescribeTopic("orders").ok());
  EXPECT_EQ(MembersAt(slave), std::vector<std::string>{"2 slave in sync"});
  EXPECT_FALSE(slave.CreateTopic("later").ok());
  const auto received =
      slave.Consumer("billing", "orders")->Receive(1, kLease, absl::ZeroDuration());
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_TRUE(received->empty());
  const auto refused = slave.Producer()->Send(MessageTo("orders", "nobody is there"));
  EXPECT_EQ(CodeOf(refused.status()), apache::rocketmq::v2::INTERNAL_SERVER_ERROR)
      << refused.status();

  group.master().Start();
  group.AwaitReign();
  Load load(slave);
  load.AwaitAcknowledged(1);
}

// Sends that nobody acknowledges, into a log that its slaves do not copy any more.
void SendInVain(BrokerProcess& master, const std::string& prefix) {
  client::ClientOptions options = master.Client();
  options.request_timeout = absl::Seconds(1);
  const auto producer = client::Producer::Create(options);
  ASSERT_TRUE(producer.ok()) << producer.status();
  for (int n = 0; n < 3; ++n) {
    EXPECT_FALSE((*producer)->Send(MessageTo("orders", prefix + std::to_string(n))).ok());
  }
}

TEST(ReplicationTest, AnOldMasterCutsWhatNobodyAcknowledgedAndFollowsTheNewOne) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2"});
  group.StartAll();
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  ASSERT_TRUE(group.master().CreateEarliestGroup("billing").ok());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "kept")).ok());
  // Stopped, they are still connected, and sends are not refused.
  for (const int id : {2, 3}) kill(group.at(id).pid(), SIGSTOP);
  SendInVain(group.master(), "in-vain-");
  group.master().Kill();
  for (const int id : {2, 3}) group.at(id).Kill();
  ASSERT_NE(group.LogBytes(1).find("in-vain-2"), std::string::npos);

  group.Promote(2);
  for (const int id : {2, 3, 1}) group.at(id).Start();
  ASSERT_NE(group.at(2).WaitForLog("The reign has begun"), "") << group.at(2).Log();
  EXPECT_NE(group.at(1).WaitForLog("is cut from offset"), "") << group.at(1).Log();
  AwaitMembers(group.at(2), {"2 master in sync", "1 slave in sync", "3 slave in sync"});
  ASSERT_TRUE(group.at(2).Producer()->Send(MessageTo("orders", "later")).ok());
  EXPECT_EQ(ReceiveAtLeast(group.at(2), 2), (std::multiset<std::string>{"kept", "later"}));
  EXPECT_EQ(group.SalvagedFiles(1), 1u);
  group.ExpectSameLogs(2);
}

// The error lines of what a broker has logged.
std::vector<std::string> Errors(const std::string& log) {
  std::vector<std::string> errors;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("E")) errors.push_back(line);
  }
  return errors;
}

TEST(ReplicationTest, AMasterWhoseSlavesStandStillEndsInOrder) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2"});
  group.StartAll();
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  for (const int id : {2, 3}) kill(group.at(id).pid(), SIGSTOP);
  SendInVain(group.master(), "in-vain-");
  EXPECT_EQ(group.master().Stop(), 0);
  EXPECT_EQ(group.master().Log().find("rpc thread is left"), std::string::npos);
}

TEST(ReplicationTest, AnOldMasterThatHasAppliedWhatItMustCutBuildsItsStateAgain) {
  BrokerGroup group({"durability=async"});
  group.master().Start();
  group.at(2).Start();
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  ASSERT_TRUE(group.master().CreateEarliestGroup("billing").ok());
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "kept")).ok());
  ASSERT_TRUE(group.AwaitCopy(2, "kept"));
  EXPECT_EQ(group.at(2).Stop(), 0);
  ASSERT_TRUE(group.master().Producer()->Send(MessageTo("orders", "alone")).ok());
  EXPECT_EQ(group.master().Stop(), 0);  // with a checkpoint behind it

  group.Promote(2);
  group.at(2).Start();
  group.at(1).Start();
  EXPECT_NE(group.at(1).WaitForLog("is cut from offset"), "") << group.at(1).Log();
  ASSERT_TRUE(group.at(2).Producer()->Send(MessageTo("orders", "later")).ok());
  ASSERT_TRUE(group.AwaitCopy(1, "later")) << group.at(1).Log();
  EXPECT_EQ(ReceiveAtLeast(group.at(2), 2), (std::multiset<std::string>{"kept", "later"}));
  EXPECT_EQ(group.SalvagedFiles(1), 1u);
  EXPECT_THAT(group.at(1).Log(), Not(HasSubstr("epair the disk")));
  EXPECT_THAT(Errors(group.at(1).Log()), IsEmpty()) << "it is as it is to be";
}

// The lowest offset of a queue, through any node.
int64_t MinOffset(const BrokerProcess& node, const std::string& topic) {
  const auto described = node.Admin()->DescribeTopic(topic);
  if (!described.ok() || described->queues().empty()) return -1;
  return described->queues(0).min_offset();
}

TEST(ReplicationTest, ANewSlaveCopiesWhatRetentionHasLeftAndCanBecomeTheMaster) {
  BrokerGroup group({"durability=replica", "replication.min-in-sync=2", "retention.bytes=3MiB",
                     "store.checkpoint-bytes=1MiB"});
  group.master().Start();
  group.at(2).Start();
  group.AwaitReign();
  group.AwaitSet("{1} to {1, 2}");
  ASSERT_TRUE(group.master().CreateTopic("orders").ok());
  ASSERT_TRUE(group.master().CreateEarliestGroup("billing").ok());
  const auto producer = group.master().Producer();
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  for (int n = 0; MinOffset(group.master(), "orders") < 20 && absl::Now() < deadline; ++n) {
    const auto receipt = producer->Send(MessageTo("orders", std::string(100'000, 'x')));
    ASSERT_TRUE(receipt.ok()) << receipt.status();
  }
  ASSERT_GE(MinOffset(group.master(), "orders"), 20) << "retention does not delete anything";
  for (int n = 0; n < 5; ++n) {
    ASSERT_TRUE(producer->Send(MessageTo("orders", "kept " + std::to_string(n))).ok());
  }

  group.at(3).Start();
  EXPECT_NE(group.at(3).WaitForLog("its log is being copied"), "") << group.at(3).Log();
  group.AwaitSet("{1, 2} to {1, 2, 3}");
  ASSERT_TRUE(producer->Send(MessageTo("orders", "kept 5")).ok());
  EXPECT_EQ(group.at(2).Stop(), 0);
  EXPECT_EQ(group.master().Stop(), 0);

  group.Promote(3);
  group.at(3).Start();
  group.at(2).Start();
  ASSERT_NE(group.at(3).WaitForLog("The reign has begun"), "") << group.at(3).Log();
  EXPECT_GE(MinOffset(group.at(3), "orders"), 20);
  const auto consumer = group.at(3).Consumer("billing", "orders");
  std::set<std::string> kept;
  while (kept.size() < 6) {
    const auto received = consumer->Receive(16, kLease, kWait);
    ASSERT_TRUE(received.ok()) << received.status();
    ASSERT_FALSE(received->empty()) << group.at(3).Log();
    for (const auto& message : *received) {
      if (message.body.starts_with("kept")) kept.insert(message.body);
      EXPECT_TRUE(consumer->Ack(message).ok());
    }
  }
}

}  // namespace
}  // namespace mansio::testing
