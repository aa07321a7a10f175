// Single steps of the protocol, and what is refused.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/broker/replication/group.h"
#include "tests/broker/replication/slow_election.h"

namespace mansio::broker::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ProtocolTest : public ::testing::Test {
 protected:
  std::shared_ptr<Outcome> Send(const std::string& text) {
    auto outcome = std::make_shared<Outcome>();
    EXPECT_TRUE(group_.Send(text, outcome)) << text;
    return outcome;
  }
  // Members 1 and 2 have that many messages of 1,000 bytes; 3 is empty and has been welcomed.
  void WelcomeSlaveThatLacks(int messages) {
    group_.StartMaster(1);
    group_.StartSlave(2);
    group_.Heal();
    for (int n = 0; n < messages; ++n) {
      Send(std::string(1000, 'x'));
      if (n % 5 == 4) group_.Heal(/*rounds=*/5);
    }
    group_.StartSlave(3);
    group_.Connect(3);
    group_.ToMaster(3);
    group_.ToSlave(3);
    group_.ToMaster(3);
  }

  Group group_{3, Durability::kReplica, 2};
};

TEST_F(ProtocolTest, ASendIsAnsweredWhenAllOfTheSetHoldIt) {
  group_.StartMaster(1);
  EXPECT_FALSE(group_.Send("too early", std::make_shared<Outcome>()));
  EXPECT_TRUE(absl::IsUnavailable(group_.present()->CheckSends()));
  group_.StartSlave(2);
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  const auto outcome = Send("one");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  EXPECT_THAT(group_.Applied(1), ElementsAre("one"));
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  EXPECT_EQ(group_.Bytes(1), group_.Bytes(2));
  const auto slaves = group_.present()->Slaves();
  ASSERT_EQ(slaves.size(), 1u);
  EXPECT_TRUE(slaves[0].connected && slaves[0].in_sync);
  EXPECT_EQ(slaves[0].held, group_.at(1).log->log->cursors().appended);
}

TEST_F(ProtocolTest, ASlaveHasFollowedWhenItKnowsAllThatWasAcknowledged) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  EXPECT_FALSE(group_.at(2).slave->HasFollowed());
  group_.Heal();
  EXPECT_TRUE(group_.at(2).slave->HasFollowed());
  Send("one");
  group_.Heal();
  group_.Restart(2);
  group_.Tick(2);
  EXPECT_THAT(group_.Applied(2), IsEmpty()) << "it begins with its checkpoint";
  EXPECT_FALSE(group_.at(2).slave->HasFollowed());
  group_.Connect(2);
  EXPECT_FALSE(group_.at(2).slave->HasFollowed()) << "a connection alone tells nothing";
  group_.Heal();
  EXPECT_TRUE(group_.at(2).slave->HasFollowed());
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  group_.Down(1);
  group_.Tick(2);
  EXPECT_TRUE(group_.at(2).slave->HasFollowed()) << "it knows no less for that";
}

TEST_F(ProtocolTest, ASlaveThatIsGoneIsWaitedForAndThenLeavesTheSet) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.StartSlave(3);
  group_.Heal();
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  group_.Down(3);
  const auto outcome = Send("one");
  group_.Heal(/*rounds=*/5);
  EXPECT_THAT(group_.Applied(1), IsEmpty()) << "the third has not confirmed it";
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  // The last two stay, whatever happens: there are to be two copies.
  group_.Down(2);
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  EXPECT_FALSE(group_.present()->CheckSends().ok());
  group_.StartSlave(2);
  group_.StartSlave(3);
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  EXPECT_THAT(group_.Applied(3), ElementsAre("one"));
}

TEST_F(ProtocolTest, ASlaveThatHasEverythingIsNotBehindHoweverSeldomThatIsLookedAt) {
  group_.max_lag = absl::Milliseconds(500);
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.StartSlave(3);
  group_.Heal();
  const store::LogOffset end = group_.at(1).log->log->cursors().appended;
  for (int heartbeat = 0; heartbeat < 3; ++heartbeat) {
    group_.clock.Advance(absl::Seconds(1));
    group_.Tick(1);
    EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  }
  EXPECT_EQ(group_.at(1).log->log->cursors().appended, end) << "the set has changed";
}

TEST_F(ProtocolTest, TheSetIsWhatTheLogSaysAfterARestart) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  group_.Down(1);
  group_.StartMaster(1);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  EXPECT_FALSE(group_.Send("the reign has not begun", std::make_shared<Outcome>()));
  group_.Heal();
  const auto outcome = Send("it has");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
}

TEST_F(ProtocolTest, AMasterThatHasLostWhatASlaveHoldsDoesNotCutTheSlave) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  ASSERT_TRUE(group_.at(1).log->log->SyncAll().ok());
  const auto outcome = Send("held by the slave alone");
  // Not Heal, which flushes.
  for (int n = 0; n < 20; ++n) {
    group_.Tick(1);
    group_.ToSlave(2);
    group_.Tick(2);
    group_.ToMaster(2);
  }
  ASSERT_EQ(outcome->Wait(), absl::OkStatus());
  const store::LogOffset held = group_.at(2).log->log->cursors().appended;
  group_.PowerCut(1, CrashMode::kDropAll, 1);
  group_.StartMaster(1);
  group_.Heal(/*rounds=*/3);
  EXPECT_EQ(group_.at(2).log->log->cursors().appended, held);
  EXPECT_THAT(std::string(group_.last_end.message()), HasSubstr("this master has lost"));
  // The way out.
  group_.Down(1);
  group_.Down(2);
  group_.StartMaster(2);
  group_.StartSlave(1);
  group_.Heal();
  EXPECT_THAT(group_.Applied(1), ElementsAre("held by the slave alone"));
}

TEST_F(ProtocolTest, AMasterOfAnOlderEpochIsRefused) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  group_.Down(2);
  group_.Down(1);
  group_.StartMaster(2);
  group_.Down(2);
  group_.StartMaster(2);
  group_.Down(2);
  group_.forget_epoch();
  group_.StartMaster(1);  // someone has mixed them up
  group_.StartSlave(2);
  const std::string before = group_.Bytes(2);
  group_.Heal(/*rounds=*/3);
  EXPECT_THAT(std::string(group_.last_end.message()), HasSubstr("another broker has been master"));
  EXPECT_EQ(group_.Bytes(2), before);
}

TEST_F(ProtocolTest, WhoHasGoneLeavesTheSetBeforeWhoIsSlow) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.StartSlave(3);
  group_.Heal();
  ASSERT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  group_.Down(3);
  Send("one");
  // The second is connected and says nothing new: both are behind.
  for (int n = 0; n < 4; ++n) {
    group_.clock.Advance(absl::Seconds(4));
    v1::SlaveMessage message;
    while (group_.at(2).link->TakeForMaster(&message)) {
    }
    message.mutable_held()->set_held(group_.at(2).log->log->cursors().appended);
    group_.present()->Received(group_.at(2).link->session, message);
    group_.Tick(1);
  }
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
}

TEST_F(ProtocolTest, ASlaveThatTheMastersLogBeginsBehindCopiesAllOfIt) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  for (int n = 0; n < 60; ++n) {
    Send(fmt::format("{} {}", n, std::string(4000, 'x')));
    if (n % 5 == 4) group_.Heal(/*rounds=*/5);
  }
  store::CommitLog& log = *group_.at(1).log->log;
  const store::LogOffset begin = log.Segments()[2].first;
  ASSERT_TRUE(log.DropBelow(begin).ok());

  group_.StartSlave(3);
  group_.Heal(/*rounds=*/5);
  ASSERT_TRUE(group_.at(3).slave->must_reopen());
  group_.Restart(3);
  store::ReplicatedLog* copy = group_.at(3).log->log->replicated();
  EXPECT_TRUE(copy->IsCopying());
  EXPECT_EQ(copy->History().begin, begin);
  // Interrupted on the way, it goes on where it was.
  for (int n = 0; n < 6; ++n) {
    group_.Connect(3);
    group_.Tick(1);
    group_.ToMaster(3);
    group_.ToSlave(3);
    group_.Tick(3);
  }
  const store::LogOffset half = copy->History().end;
  ASSERT_GT(half, begin);
  ASSERT_LT(half, log.cursors().appended);
  group_.Restart(3);
  copy = group_.at(3).log->log->replicated();
  EXPECT_TRUE(copy->IsCopying());
  EXPECT_EQ(copy->History().end, half);

  group_.Heal();
  ASSERT_TRUE(group_.at(3).slave->must_reopen());
  EXPECT_THAT(group_.Applied(3), IsEmpty()) << "the state is not there";
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  group_.Restart(3);
  ASSERT_TRUE(group_.at(3).log->log->EndRefill().ok());
  EXPECT_FALSE(group_.at(3).log->log->replicated()->IsCopying());
  Send("last");
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2, 3));
  EXPECT_EQ(group_.Applied(3).back(), "last");
  EXPECT_EQ(group_.FramesFrom(3, begin), group_.FramesFrom(1, begin));
}

TEST_F(ProtocolTest, ACopyThatIsNotCompleteCannotBecomeTheMaster) {
  group_.StartSlave(3);
  store::ReplicatedLog* const log = group_.at(3).log->log->replicated();
  EXPECT_TRUE(absl::IsFailedPrecondition(log->StartOver(4 << 16)));
  group_.Restart(3);
  group_.Down(3);
  TestLog as_master(&group_.at(3).disk, group_.Options(store::Role::kMaster));
  const absl::Status opened = as_master.Recover();
  EXPECT_TRUE(absl::IsFailedPrecondition(opened)) << opened;
}

TEST_F(ProtocolTest, ACopyThatTheMasterHasTrimmedIsDroppedAndBegunAgain) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  for (int n = 0; n < 60; ++n) {
    Send(std::string(4000, 'x'));
    if (n % 5 == 4) group_.Heal(/*rounds=*/5);
  }
  store::CommitLog& log = *group_.at(1).log->log;
  ASSERT_TRUE(log.DropBelow(log.Segments()[1].first).ok());
  group_.StartSlave(3);
  group_.Heal(/*rounds=*/5);
  group_.Restart(3);
  group_.Connect(3);
  for (int n = 0; n < 3; ++n) {
    group_.Tick(1);
    group_.ToMaster(3);
    group_.ToSlave(3);
    group_.Tick(3);
  }
  store::ReplicatedLog* copy = group_.at(3).log->log->replicated();
  ASSERT_GT(copy->History().end, copy->History().begin);
  group_.Disconnect(3);
  const store::LogOffset begin = log.Segments()[2].first;
  ASSERT_TRUE(log.DropBelow(begin).ok());

  group_.Heal(/*rounds=*/5);
  ASSERT_TRUE(group_.at(3).slave->must_reopen());
  group_.Restart(3);
  copy = group_.at(3).log->log->replicated();
  EXPECT_TRUE(copy->IsCopying());
  EXPECT_EQ(copy->History().begin, begin);
  const auto names = group_.at(3).disk.List("data/log");
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) EXPECT_FALSE(name.ends_with(".salvaged")) << name;
  group_.Heal();
  group_.Restart(3);
  EXPECT_EQ(group_.FramesFrom(3, begin), group_.FramesFrom(1, begin));
}

TEST_F(ProtocolTest, AMasterDoesNotSendASlaveOfItsSetOver) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  for (int n = 0; n < 40; ++n) {
    Send(std::string(4000, 'x'));
    if (n % 5 == 4) group_.Heal(/*rounds=*/5);
  }
  group_.Disconnect(2);
  store::CommitLog& log = *group_.at(1).log->log;
  ASSERT_TRUE(log.DropBelow(log.Segments()[1].first).ok());
  const auto link = std::make_shared<Link>();
  const Master::Session session = group_.present()->Opened(link);
  v1::SlaveMessage message;
  message.mutable_hello()->set_cluster("c");
  message.mutable_hello()->set_broker("b");
  message.mutable_hello()->set_id(2);
  message.mutable_hello()->set_log_end(1 << 20);  // of no reign that the master knows
  group_.present()->Received(session, message);
  EXPECT_THAT(std::string(link->why().message()), HasSubstr("wrong store"));
  // A member that has lost its disk has nothing that could be lost.
  const auto empty = std::make_shared<Link>();
  const Master::Session again = group_.present()->Opened(empty);
  message.mutable_hello()->set_log_end(0);
  group_.present()->Received(again, message);
  v1::MasterMessage welcome;
  ASSERT_TRUE(empty->TakeForSlave(&welcome));
  EXPECT_TRUE(welcome.welcome().start_over());
}

TEST_F(ProtocolTest, ASlaveThatIsFarBehindIsSentNoMoreThanTheRate) {
  group_.catch_up_bytes_per_second = 4000;
  WelcomeSlaveThatLacks(60);
  const absl::Duration again = group_.present()->Pump();
  EXPECT_GT(again, absl::ZeroDuration());
  EXPECT_LT(again, absl::Seconds(1));
  v1::MasterMessage frames;
  ASSERT_TRUE(group_.at(3).link->TakeForSlave(&frames));
  EXPECT_FALSE(group_.at(3).link->TakeForSlave(&frames)) << "the window is larger";
  group_.clock.Advance(again);
  group_.present()->Pump();
  EXPECT_TRUE(group_.at(3).link->TakeForSlave(&frames));
}

TEST_F(ProtocolTest, CommitsDoNotWaitUntilASlaveHasBeenSentAllThatItLacks) {
  WelcomeSlaveThatLacks(20);
  const auto outcome = Send("held by all of the set");
  v1::MasterMessage frames;
  while (group_.at(2).link->TakeForSlave(&frames)) {
  }
  EXPECT_EQ(group_.present()->Pump(), absl::ZeroDuration()) << "there is more to send";
  EXPECT_TRUE(group_.at(3).link->TakeForSlave(&frames));
  EXPECT_FALSE(group_.at(3).link->TakeForSlave(&frames)) << "one run at a time";
  EXPECT_TRUE(group_.at(2).link->TakeForSlave(&frames)) << "the others' turn comes before";
}

TEST_F(ProtocolTest, StrangersAreRefused) {
  group_.StartMaster(1);
  const auto refusal = [&](const std::string& cluster, int id) {
    const auto link = std::make_shared<Link>();
    const Master::Session session = group_.present()->Opened(link);
    v1::SlaveMessage message;
    message.mutable_hello()->set_cluster(cluster);
    message.mutable_hello()->set_broker("b");
    message.mutable_hello()->set_id(id);
    group_.present()->Received(session, message);
    return std::string(link->why().message());
  };
  EXPECT_THAT(refusal("other", 2), HasSubstr("replication.master"));
  EXPECT_THAT(refusal("c", 1), HasSubstr("broker.id"));
  EXPECT_THAT(refusal("c", 0), HasSubstr("broker.id"));
  EXPECT_EQ(refusal("c", 2), "");
}

TEST_F(ProtocolTest, MessagesOutOfPlaceEndTheStream) {
  group_.StartMaster(1);
  const auto link = std::make_shared<Link>();
  const Master::Session session = group_.present()->Opened(link);
  v1::SlaveMessage held;
  held.mutable_held()->set_held(77);
  group_.present()->Received(session, held);
  EXPECT_TRUE(absl::IsInvalidArgument(link->why())) << link->why();

  group_.StartSlave(2);
  group_.Connect(2);
  v1::MasterMessage frames;
  frames.mutable_frames()->set_frames("early");
  group_.at(2).slave->Received(frames);
  EXPECT_TRUE(absl::IsInvalidArgument(group_.at(2).link->why()));
  group_.Disconnect(2);

  group_.Connect(2);
  v1::MasterMessage welcome;
  welcome.mutable_welcome()->set_start(8);
  group_.at(2).slave->Received(welcome);
  EXPECT_TRUE(absl::IsFailedPrecondition(group_.at(2).link->why()));
}

TEST_F(ProtocolTest, TheFirstConfirmationNamesThePlaceWhereTheFramesBegin) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Connect(2);
  group_.ToMaster(2);
  v1::SlaveMessage held;
  held.mutable_held()->set_held(64);
  group_.present()->Received(group_.at(2).link->session, held);
  EXPECT_THAT(std::string(group_.at(2).link->why().message()), HasSubstr("was not sent"));
}

TEST_F(ProtocolTest, NoMoreThanAWindowIsOnItsWay) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  for (int n = 0; n < 40; ++n) Send("note " + std::to_string(n) + std::string(1000, 'x'));
  while (group_.present()->Pump() == absl::ZeroDuration()) {
  }
  size_t bytes = 0;
  v1::MasterMessage message;
  while (group_.at(2).link->TakeForSlave(&message)) bytes += message.frames().frames().size();
  EXPECT_GT(bytes, 4000u);
  EXPECT_LE(bytes, 8000u + 2000u + 1200u);
}

TEST_F(ProtocolTest, WhoeverFallsSilentIsGone) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  Link* const link = group_.at(2).link.get();
  ASSERT_NE(link, nullptr);
  group_.clock.Advance(absl::Seconds(6));
  group_.present()->Pump();
  EXPECT_TRUE(absl::IsDeadlineExceeded(link->why()));
  group_.Disconnect(2);
  group_.Connect(2);
  group_.clock.Advance(absl::Seconds(6));
  group_.at(2).slave->Tick();
  EXPECT_TRUE(absl::IsDeadlineExceeded(group_.at(2).link->why()));
}

TEST_F(ProtocolTest, ASecondStreamOfASlaveReplacesTheFirst) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  Link* const first = group_.at(2).link.get();
  const auto second = std::make_shared<Link>();
  const Master::Session session = group_.present()->Opened(second);
  v1::SlaveMessage message;
  message.mutable_hello()->set_cluster("c");
  message.mutable_hello()->set_broker("b");
  message.mutable_hello()->set_id(2);
  group_.present()->Received(session, message);
  EXPECT_TRUE(absl::IsAborted(first->why()));
  EXPECT_FALSE(second->ended());
}

TEST_F(ProtocolTest, ASlaveThatIsConfiguredOtherwiseThanItsMasterIsInTrouble) {
  group_.identities[1].set_durability("replica");
  group_.identities[2].set_durability("async");
  group_.identities[3].set_durability("replica");
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.StartSlave(3);
  group_.Heal();
  std::vector<SlaveState> slaves = group_.present()->Slaves();
  ASSERT_EQ(slaves.size(), 2u);
  EXPECT_TRUE(slaves[0].settings_differ);
  EXPECT_THAT(slaves[0].trouble, HasSubstr("durability async (its master has replica)"));
  EXPECT_FALSE(slaves[1].settings_differ);
  EXPECT_EQ(slaves[1].trouble, "");
  group_.Down(2);
  group_.identities[2].set_durability("replica");
  group_.StartSlave(2);
  group_.Heal();
  EXPECT_EQ(group_.present()->Slaves()[0].trouble, "");
}

// --- Two processes with one number.

TEST_F(ProtocolTest, ASecondProcessWithTheNumberOfASlaveIsRefused) {
  group_.numbers[3] = 2;
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  const std::shared_ptr<Link> first = group_.at(2).link;
  ASSERT_NE(first, nullptr);
  group_.StartSlave(3);
  group_.Heal(/*rounds=*/5);
  EXPECT_FALSE(first->ended());
  group_.Disconnect(3);
  group_.Connect(3);
  group_.ToMaster(3);
  group_.Tick(3);
  EXPECT_TRUE(absl::IsFailedPrecondition(group_.last_end));
  EXPECT_THAT(std::string(group_.last_end.message()),
              HasSubstr("two processes have broker.id 2: host-2:0 and host-3:0"));
  const auto outcome = Send("one");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  EXPECT_THAT(group_.Applied(3), IsEmpty());
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  ASSERT_EQ(group_.present()->Slaves().size(), 1u);
  EXPECT_THAT(group_.present()->Slaves()[0].trouble,
              HasSubstr("a second process with broker.id 2 at host-3:0 is refused"));
  group_.Down(3);
  group_.Heal();
  EXPECT_EQ(group_.present()->Slaves()[0].trouble, "");
}

TEST_F(ProtocolTest, ASecondProcessWithACopyOfASlavesStoreIsRefusedWhileTheFirstIsThere) {
  group_.numbers[3] = 2;
  group_.copies[3] = 2;
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  const std::shared_ptr<Link> first = group_.at(2).link;
  ASSERT_NE(first, nullptr);
  group_.StartSlave(3);
  group_.Connect(3);
  group_.ToMaster(3);
  group_.Tick(3);
  EXPECT_FALSE(first->ended());
  EXPECT_TRUE(absl::IsAlreadyExists(group_.last_end)) << group_.last_end;
  EXPECT_THAT(std::string(group_.last_end.message()),
              HasSubstr("two processes have broker.id 2 and copies of one store: host-2:0 and "
                        "host-3:0"));
  const auto outcome = Send("one");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  EXPECT_THAT(group_.Applied(3), IsEmpty());
}

TEST_F(ProtocolTest, AProcessThatWasStartedAgainTakesItsPlaceWhenNothingIsHeardOfTheFirst) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  // The master has not heard that the stream is gone.
  const std::shared_ptr<Link> first = std::exchange(group_.at(2).link, nullptr);
  group_.at(2).slave->Closed();
  group_.Down(2);
  group_.StartSlave(2);
  group_.clock.Advance(absl::Seconds(2));
  group_.Connect(2);
  group_.ToMaster(2);
  EXPECT_TRUE(first->ended());
  group_.present()->Closed(first->session);
  group_.Heal(/*rounds=*/5);
  const auto outcome = Send("one");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
}

TEST_F(ProtocolTest, ANewerStreamOfTheSameStoreReplacesTheOlder) {
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  // The master has not heard that the stream is gone.
  Member& slave = group_.at(2);
  const std::shared_ptr<Link> first = std::exchange(slave.link, nullptr);
  slave.slave->Closed();
  group_.Connect(2);
  group_.ToMaster(2);
  EXPECT_TRUE(first->ended());
  EXPECT_THAT(std::string(first->why().message()), HasSubstr("a newer stream"));
  group_.present()->Closed(first->session);
  group_.Heal(/*rounds=*/5);
  const auto outcome = Send("one");
  group_.Heal();
  EXPECT_EQ(outcome->Wait(), absl::OkStatus());
}

TEST_F(ProtocolTest, AnotherStoreTakesANumberOverWhenItHasEverything) {
  group_.numbers[3] = 2;
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  const auto before = Send("before");
  group_.Heal();
  ASSERT_EQ(before->Wait(), absl::OkStatus());
  group_.Down(2);
  group_.StartSlave(3);
  group_.Heal(/*rounds=*/5);
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2)) << "the first may come again";
  EXPECT_EQ(group_.Bytes(3), group_.Bytes(1)) << "the second can copy meanwhile";
  EXPECT_FALSE(group_.present()->CheckSends().ok());
  group_.Heal();
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  const auto after = Send("after");
  group_.Heal();
  EXPECT_EQ(after->Wait(), absl::OkStatus());
  EXPECT_THAT(group_.Applied(3), ElementsAre("before", "after"));
  // Now the first one is the second.
  group_.StartSlave(2);
  group_.Heal(/*rounds=*/5);
  EXPECT_THAT(group_.Applied(2), IsEmpty());
}

TEST_F(ProtocolTest, WhoseStoreANumberIsComesBeforeOneThatIsToTakeItOver) {
  group_.numbers[3] = 2;
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal();
  group_.Down(2);
  group_.StartSlave(3);
  group_.Heal(/*rounds=*/5);
  const std::shared_ptr<Link> second = group_.at(3).link;
  ASSERT_NE(second, nullptr);
  // Nor does its goodbye concern the number.
  v1::SlaveMessage goodbye;
  goodbye.mutable_leave();
  group_.present()->Received(second->session, goodbye);
  group_.Exchange();
  EXPECT_TRUE(second->ended());
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
  group_.Connect(3);
  group_.Exchange();
  group_.StartSlave(2);
  group_.Connect(2);
  group_.Exchange();
  EXPECT_NE(group_.at(2).link, nullptr);
  EXPECT_EQ(group_.at(3).link, nullptr);
  Send("one");
  group_.Exchange();
  EXPECT_THAT(group_.Applied(2), ElementsAre("one"));
  EXPECT_THAT(group_.present()->InSync(), ElementsAre(1, 2));
}

TEST_F(ProtocolTest, TheSetIsRecordedWithoutANumberBeforeItMeansAnotherStore) {
  SlowElection election;
  const auto last = [&election] { return election.proposed.back(); };
  group_.election = &election;
  group_.numbers[3] = 2;
  group_.StartMaster(1);
  group_.StartSlave(2);
  group_.Heal(/*rounds=*/5);
  EXPECT_EQ(last(), std::pair(std::set<BrokerId>({1, 2}), StoreIds({{2, "store-2"}})));
  group_.present()->InSyncRecorded({1, 2});
  group_.Heal(/*rounds=*/5);
  const auto before = Send("before");
  group_.Heal(/*rounds=*/5);
  ASSERT_THAT(group_.Applied(1), ElementsAre("before"));
  const auto after = Send("after");
  group_.Down(2);
  group_.StartSlave(3);
  group_.Heal();
  EXPECT_EQ(last(), std::pair(std::set<BrokerId>({1}), StoreIds({{2, "store-2"}})));
  EXPECT_THAT(group_.Applied(1), ElementsAre("before"))
      << "the recorded store has not confirmed the second";
  group_.present()->InSyncRecorded({1});
  group_.Heal(/*rounds=*/5);
  EXPECT_EQ(last(), std::pair(std::set<BrokerId>({1, 2}), StoreIds({{2, "store-3"}})));
  group_.present()->InSyncRecorded({1, 2});
  group_.Heal(/*rounds=*/5);
  EXPECT_THAT(group_.Applied(1), ElementsAre("before", "after"));
  group_.Down(1);
}

}  // namespace
}  // namespace mansio::broker::testing
