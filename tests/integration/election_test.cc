// A broker group of real processes that elects its master through a real etcd: kills, pauses, and
// etcd going away.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "client/lib/pull_consumer.h"
#include "tests/broker/election/etcd_server.h"
#include "tests/integration/broker_group.h"
#include "tests/integration/group_load.h"

namespace mansio::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kReelection = absl::Minutes(1);
constexpr absl::Duration kSendTimeout = absl::Seconds(3);
constexpr rlim_t kFailBehind = 64 << 10;  // more than a log of events has

class ElectionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    signal(SIGXFSZ, SIG_IGN);  // of the brokers, too: FailWrites makes errors of it
    ASSERT_NE(EtcdServer::Binary(), "");
    etcd_.Start();
    for (const int id : {1, 2, 3}) group_.at(id).Start();
    master_ = AwaitMaster({1, 2, 3}, {1, 2, 3});
    ASSERT_EQ(master_, 1) << "the one that founds the group";
    ASSERT_TRUE(master().CreateTopic("orders", 2).ok());
    ASSERT_TRUE(master().CreateEarliestGroup("billing").ok());
  }

  BrokerProcess& master() { return group_.at(master_); }

  // Waits until one of the nodes is master, and says that these members are in sync; its number.
  int AwaitMaster(const std::vector<int>& nodes, const std::set<int>& in_sync) {
    const absl::Time deadline = absl::Now() + kReelection;
    while (absl::Now() < deadline) {
      for (const int id : nodes) {
        if (InSyncAtMaster(id) == in_sync) return id;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << "no master with this in-sync set";
    for (const int id : nodes) ADD_FAILURE() << id << ": " << group_.at(id).Log();
    return nodes.front();
  }

  // Of the member itself, if it is the master; else nothing.
  std::set<int> InSyncAtMaster(int id) {
    client::ClientOptions options = group_.at(id).Client();
    options.request_timeout = absl::Seconds(2);
    const auto admin = client::AdminClient::Create(options, client::AdminClient::Scope::kNode);
    std::set<int> members;
    if (!admin.ok()) return members;
    const auto list = (*admin)->ListBrokers();
    if (!list.ok() || list->brokers(0).broker().role() != "master") return members;
    for (const v1::BrokerOverview& overview : list->brokers()) {
      if (overview.in_sync()) members.insert(overview.broker().member());
    }
    return members;
  }

  // From now on what a member writes behind the beginning of a file fails.
  void FailWrites(int id) {
    const rlimit limit = {.rlim_cur = kFailBehind, .rlim_max = kFailBehind};
    ASSERT_EQ(prlimit(group_.at(id).pid(), RLIMIT_FSIZE, &limit, nullptr), 0);
  }

  // Waits until a member's answer says this of member `about`.
  void AwaitTrouble(int asked, int about, const std::string& text) {
    const auto admin =
        client::AdminClient::Create(group_.at(asked).Client(), client::AdminClient::Scope::kNode);
    ASSERT_TRUE(admin.ok()) << admin.status();
    for (const absl::Time deadline = absl::Now() + kReelection; absl::Now() < deadline;) {
      const auto list = (*admin)->ListBrokers();
      ASSERT_TRUE(list.ok()) << list.status();
      for (const v1::BrokerOverview& overview : list->brokers()) {
        const bool is_it = overview.broker().member() == about;
        if (is_it && overview.trouble().find(text) != std::string::npos) return;
      }
      absl::SleepFor(absl::Milliseconds(50));
    }
    ADD_FAILURE() << "member " << asked << " does not say of " << about << ": " << text;
  }

  // Everything acknowledged is there, at the end of everything.
  void ExpectNothingIsLost(Load& load) {
    const std::set<std::string> acknowledged = load.End();
    EXPECT_THAT(group_.Missing(master_, acknowledged), IsEmpty())
        << "of " << acknowledged.size() << "; " << master().Log();
    group_.ExpectSameLogs(master_);
  }

  EtcdServer etcd_;
  BrokerGroup group_{{"durability=replica", "replication.min-in-sync=2", "replication.max-lag=1s",
                      "election.etcd=" + etcd_.address()},
                     BrokerGroup::Roles::kElected};
  int master_ = 0;
};

TEST_F(ElectionTest, AnInSyncSlaveTakesOverWhenTheMasterIsKilled) {
  Load load({&group_.at(1), &group_.at(2), &group_.at(3)}, kSendTimeout);
  load.AwaitAcknowledged(50);
  master().Kill();
  master_ = AwaitMaster({2, 3}, {2, 3});
  load.AwaitAcknowledged(50);
  group_.at(1).Start();
  EXPECT_NE(group_.at(1).WaitForLog("Follows the master at " + master().address()), "")
      << group_.at(1).Log();
  EXPECT_EQ(AwaitMaster({2, 3}, {1, 2, 3}), master_);
  load.AwaitAcknowledged(50);
  ExpectNothingIsLost(load);
}

TEST_F(ElectionTest, ASlaveWhoseDiskHasFailedIsShownAndNotElected) {
  const std::string much(2 * kFailBehind, 'x');
  ASSERT_TRUE(master().Producer()->Send(MessageTo("orders", much)).ok());
  group_.at(3).Kill();
  AwaitMaster({1}, {1, 2});
  FailWrites(2);
  client::ClientOptions options = master().Client();
  options.request_timeout = absl::Seconds(1);
  const auto producer = client::Producer::Create(options);
  ASSERT_TRUE(producer.ok()) << producer.status();
  EXPECT_FALSE((*producer)->Send(MessageTo("orders", "in vain")).ok());
  AwaitTrouble(/*asked=*/2, /*about=*/2, "the commit log has stopped");
  AwaitTrouble(/*asked=*/1, /*about=*/2, "the commit log has stopped");

  master().Kill();
  EXPECT_NE(group_.at(2).WaitForLog("cannot be master: its store has failed"), "")
      << group_.at(2).Log();
  group_.at(1).Start();
  group_.at(3).Start();
  group_.at(2).Kill();
  group_.at(2).Start();
  master_ = AwaitMaster({1, 2, 3}, {1, 2, 3});
  EXPECT_THAT(group_.Missing(master_, {much}), IsEmpty());
  group_.ExpectSameLogs(master_);
}

TEST_F(ElectionTest, AMasterThatHandsOverCostsNoSend) {
  Load load({&group_.at(1), &group_.at(2), &group_.at(3)}, kSendTimeout);
  for (const int heir : {2, 3}) {
    load.AwaitAcknowledged(50);
    v1::HandOverRequest request;
    request.set_broker("broker-a");
    request.set_member(master_);
    request.set_heir(heir);
    const auto handed_over = master().Admin()->HandOver(request);
    ASSERT_TRUE(handed_over.ok()) << handed_over.status();
    master_ = AwaitMaster({heir}, {1, 2, 3});
  }
  load.AwaitAcknowledged(50);
  const int failures = load.failures();

  // One that is stopped hands over, too.
  EXPECT_EQ(master().Stop(), 0) << master().Log();
  EXPECT_THAT(master().Log(), HasSubstr("Hands over to member "));
  master_ = AwaitMaster({1, 2}, {1, 2});
  group_.at(3).Start();
  AwaitMaster({1, 2, 3}, {1, 2, 3});
  load.AwaitAcknowledged(50);
  v1::HandOverRequest wrong;
  wrong.set_broker("broker-a");
  wrong.set_member(3);
  wrong.set_heir(2);
  EXPECT_THAT(std::string(group_.at(3).Admin()->HandOver(wrong).status().message()),
              HasSubstr("not the master"));
  ExpectNothingIsLost(load);
  EXPECT_EQ(failures, 0) << load.first_failure();
}

TEST_F(ElectionTest, AMasterThatWasFrozenAcknowledgesNothingAndFollowsItsSuccessor) {
  Load load({&group_.at(1), &group_.at(2), &group_.at(3)}, kSendTimeout);
  load.AwaitAcknowledged(50);
  kill(master().pid(), SIGSTOP);
  master_ = AwaitMaster({2, 3}, {2, 3});
  load.AwaitAcknowledged(50);
  kill(group_.at(1).pid(), SIGCONT);
  EXPECT_NE(group_.at(1).WaitForLog("This broker is not the master any more"), "");
  EXPECT_NE(group_.at(1).WaitForLog("Follows the master at " + master().address()), "")
      << group_.at(1).Log();
  EXPECT_EQ(AwaitMaster({2, 3}, {1, 2, 3}), master_);
  load.AwaitAcknowledged(50);
  ExpectNothingIsLost(load);
}

TEST_F(ElectionTest, WithoutEtcdAWholeGroupGoesOnAndOneThatLacksAMemberStops) {
  Load load({&master()}, kSendTimeout);
  load.AwaitAcknowledged(10);
  etcd_.Kill();
  absl::SleepFor(absl::Seconds(5));  // more than a lease
  load.AwaitAcknowledged(50);

  group_.at(3).Kill();
  ASSERT_NE(master().WaitForLog("not all of the in-sync members {1, 2, 3} are there"), "")
      << master().Log();
  const auto refused = master().Producer()->Send(MessageTo("orders", "refused"));
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("its lease from etcd is not renewed"));
  const auto pull = client::PullConsumer::Create(master().Client(), "reader");
  ASSERT_TRUE(pull.ok()) << pull.status();
  const auto queues = (*pull)->Queues("orders");
  ASSERT_TRUE(queues.ok()) << queues.status();
  const auto pulled = (*pull)->Pull(queues->front(), 0, 32, "*", absl::Seconds(20));
  ASSERT_TRUE(pulled.ok()) << pulled.status();
  EXPECT_FALSE(pulled->messages.empty());

  etcd_.Start();
  EXPECT_EQ(AwaitMaster({1, 2}, {1, 2}), master_);
  load.AwaitAcknowledged(50);
  group_.at(3).Start();
  EXPECT_EQ(AwaitMaster({1, 2, 3}, {1, 2, 3}), master_);
  ExpectNothingIsLost(load);
}

TEST_F(ElectionTest, AfterAPowerCutOfAllTheMemberWithTheLongestLogIsElected) {
  Load load({&group_.at(1), &group_.at(2), &group_.at(3)}, kSendTimeout);
  load.AwaitAcknowledged(200);
  for (const int id : {1, 2, 3}) group_.at(id).Kill();
  const std::set<std::string> acknowledged = load.End();
  // The old master and another one lose acknowledged messages, the third one loses none.
  group_.LosePower(1, 12000);
  group_.LosePower(2, 6000);
  group_.LosePower(3, 0);
  for (const int id : {1, 2}) group_.at(id).Start();
  for (const int id : {1, 2}) {
    EXPECT_NE(group_.at(id).WaitForLog("waits for members {3} to say what they have"), "")
        << group_.at(id).Log();
    EXPECT_THAT(InSyncAtMaster(id), IsEmpty()) << "nobody is master";
  }
  group_.at(3).Start();
  master_ = AwaitMaster({1, 2, 3}, {1, 2, 3});
  EXPECT_EQ(master_, 3);
  EXPECT_THAT(group_.Missing(master_, acknowledged), IsEmpty())
      << "of " << acknowledged.size() << "; " << master().Log();
  EXPECT_NE(group_.at(1).WaitForLog("This member has all that the others may count on"), "");
  group_.ExpectSameLogs(master_);
}

}  // namespace
}  // namespace mansio::testing
