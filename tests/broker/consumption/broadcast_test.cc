#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kAll[] = "everybody";

class BroadcastTest : public testing::Test {
 protected:
  explicit BroadcastTest(ConsumptionOptions options = {}) : h(std::move(options)) {
    h.CreateTopic();
    CreateGroup(StartPolicy::kEarliest);
  }
  void CreateGroup(StartPolicy start, const std::string& name = kAll) {
    GroupRecord group;
    group.name = name;
    group.start = start;
    group.broadcast = true;
    h.life().metadata.CreateGroup(
        group, [](const absl::StatusOr<GroupPtr>& made) { EXPECT_TRUE(made.ok()); });
    h.store().Run();
  }
  ReceiveCall ReceiveAs(const std::string& client, const std::string& group = kAll) {
    return h.Receive({.group = group, .client = client});
  }
  v2::Code AckAs(const std::string& client, const ReceiveCall& received) {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(kAll);
    request.mutable_topic()->set_name(kTopic);
    for (const v2::Message& m : Harness::Messages(received)) {
      request.add_entries()->set_receipt_handle(m.system_properties().receipt_handle());
    }
    rpc::testing::FakeUnaryCall call(request.SerializeAsString(), Harness::Headers(client));
    h.life().methods.unary[0].handler(call);
    h.store().Run();
    return call.Response<v2::AckMessageResponse>().status().code();
  }
  // Time in which no client is heard of; then the unused positions are looked for.
  void Pass(absl::Duration d) {
    h.clock.Advance(d - absl::Minutes(10));
    h.life().clients.ExpireSilent();
    h.Advance(absl::Minutes(10));
  }
  std::vector<QueueConsumption> Describe() {
    return h.life().consumption->Describe(*h.life().metadata.FindGroup(kAll));
  }
  Harness h;
};

TEST_F(BroadcastTest, EveryClientGetsEveryMessage) {
  h.Send("a");
  for (const char* client : {"one", "two", "three"}) {
    const ReceiveCall received = ReceiveAs(client);
    EXPECT_THAT(Harness::Bodies(received), ElementsAre("a")) << client;
    EXPECT_EQ(AckAs(client, received), v2::OK);
    EXPECT_FALSE(ReceiveAs(client)->finished()) << client << " gets it a second time";
  }
  EXPECT_THAT(Describe(), SizeIs(3));
}

TEST_F(BroadcastTest, AMessageWakesAllClients) {
  const ReceiveCall one = ReceiveAs("one");
  const ReceiveCall two = ReceiveAs("two");
  h.Send("a");
  EXPECT_THAT(Harness::Bodies(one), ElementsAre("a"));
  EXPECT_THAT(Harness::Bodies(two), ElementsAre("a"));
}

TEST_F(BroadcastTest, AHandleIsGoodForItsClientOnly) {
  h.Send("a");
  const ReceiveCall one = ReceiveAs("one");
  ReceiveAs("two");
  EXPECT_EQ(AckAs("two", one), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(AckAs("stranger", one), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(AckAs("one", one), v2::OK);
}

TEST_F(BroadcastTest, WhatOneClientDoesNotAcknowledgeComesAgainToThatOne) {
  h.Send("a");
  EXPECT_EQ(AckAs("one", ReceiveAs("one")), v2::OK);
  ReceiveAs("two");
  h.Advance(absl::Seconds(30));
  const auto again = Harness::Messages(ReceiveAs("two"));
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
  EXPECT_FALSE(ReceiveAs("one")->finished());
}

TEST_F(BroadcastTest, AClientThatUsesUpItsAttemptsGivesTheMessageUpForItselfOnly) {
  GroupRecord group;
  group.name = "twice";
  group.start = StartPolicy::kEarliest;
  group.broadcast = true;
  group.max_attempts = 2;
  h.life().metadata.CreateGroup(group, [](const absl::StatusOr<GroupPtr>&) {});
  h.store().Run();
  h.Send("a");
  for (int attempt = 1; attempt <= 2; ++attempt) {
    EXPECT_THAT(Harness::Bodies(ReceiveAs("one", "twice")), ElementsAre("a"));
    h.Advance(absl::Seconds(30));
  }
  EXPECT_FALSE(ReceiveAs("one", "twice")->finished());
  EXPECT_THAT(Harness::Bodies(ReceiveAs("two", "twice")), ElementsAre("a"));
  const TopicPtr dead = h.life().metadata.FindTopic("%DLQ%twice");
  ASSERT_NE(dead, nullptr);
  EXPECT_EQ(h.store().Range({dead->id, 0}).next, 1u);
  EXPECT_EQ(h.life().metadata.FindTopic("%RETRY%twice"), nullptr);
}

TEST_F(BroadcastTest, AnUnknownClientBeginsAtTheGroupsStartPolicy) {
  CreateGroup(StartPolicy::kLatest, "late");
  h.Send("a");
  EXPECT_FALSE(ReceiveAs("one", "late")->finished());
  EXPECT_THAT(Harness::Bodies(ReceiveAs("one")), ElementsAre("a"));
  // Its first heartbeat fixes where a client begins.
  h.life().consumption->observer()->OnSubscription("two", "late", {kTopic});
  h.store().Run();
  h.Send("b");
  EXPECT_THAT(Harness::Bodies(ReceiveAs("two", "late")), ElementsAre("b"));
}

TEST_F(BroadcastTest, PositionsAreThoseOfClients) {
  ReceiveAs("one")->Cancel();
  const GroupPtr group = h.life().metadata.FindGroup(kAll);
  const TopicPtr topic = h.life().metadata.FindTopic(kTopic);
  absl::Status given = absl::UnknownError("not called");
  h.life().consumption->EnsurePosition(group, topic, [&](const absl::Status& s) { given = s; });
  EXPECT_TRUE(given.ok());
  EXPECT_FALSE(h.life().consumption->HasPosition(*group, topic->id));
  EXPECT_THAT(Describe(), SizeIs(1));
}

TEST_F(BroadcastTest, PositionsSurviveARestart) {
  h.Send("a");
  EXPECT_EQ(AckAs("one", ReceiveAs("one")), v2::OK);
  for (const bool from_checkpoint : {false, true}) {
    SCOPED_TRACE(from_checkpoint);
    h.Restart(from_checkpoint);
    EXPECT_THAT(Describe(), SizeIs(1));
    const ReceiveCall parked = ReceiveAs("one");
    EXPECT_FALSE(parked->finished());
    parked->Cancel();
  }
  EXPECT_THAT(Harness::Bodies(ReceiveAs("two")), ElementsAre("a"));
}

TEST_F(BroadcastTest, APositionIsDroppedADayAfterItsLastUse) {
  ReceiveAs("one")->Cancel();
  Pass(absl::Hours(23));
  ReceiveAs("two")->Cancel();
  EXPECT_THAT(Describe(), SizeIs(2));
  Pass(absl::Hours(1) + absl::Minutes(10));
  ASSERT_THAT(Describe(), SizeIs(1));
  EXPECT_EQ(Describe()[0].client, "two");
  h.Restart();
  EXPECT_THAT(Describe(), SizeIs(1));
}

TEST_F(BroadcastTest, AUseThatTheLogKnowsOfCountsAfterARestart) {
  h.Send("a");
  EXPECT_EQ(AckAs("one", ReceiveAs("one")), v2::OK);
  Pass(absl::Hours(23));
  ReceiveAs("one")->Cancel();  // noted in the log
  h.Restart();
  Pass(absl::Hours(2));
  EXPECT_THAT(Describe(), SizeIs(1));
}

TEST_F(BroadcastTest, AUseThatTheLogDoesNotKnowOfCountsAfterARestartToo) {
  ReceiveAs("one")->Cancel();
  Pass(absl::Minutes(50));
  ReceiveAs("one")->Cancel();  // less than an hour later: not noted in the log
  h.Restart();
  Pass(absl::Hours(23) + absl::Minutes(50));
  EXPECT_THAT(Describe(), SizeIs(1));
  Pass(absl::Hours(1));
  EXPECT_THAT(Describe(), SizeIs(0));
}

TEST_F(BroadcastTest, ADroppedClientThatComesAgainIsUnknown) {
  h.Send("a");
  EXPECT_EQ(AckAs("one", ReceiveAs("one")), v2::OK);
  Pass(absl::Hours(25));
  EXPECT_THAT(Harness::Bodies(ReceiveAs("one")), ElementsAre("a"));
}

TEST_F(BroadcastTest, AResetMovesAllClients) {
  h.Send("a");
  EXPECT_EQ(AckAs("one", ReceiveAs("one")), v2::OK);
  EXPECT_EQ(AckAs("two", ReceiveAs("two")), v2::OK);
  int answers = 0;
  h.life().consumption->Reset(h.life().metadata.FindGroup(kAll),
                              h.life().metadata.FindTopic(kTopic), ResetPoint{}, std::nullopt,
                              [&answers](const absl::Status& status) {
                                EXPECT_TRUE(status.ok());
                                ++answers;
                              });
  h.Settle();
  EXPECT_EQ(answers, 1);
  EXPECT_THAT(Harness::Bodies(ReceiveAs("one")), ElementsAre("a"));
  EXPECT_THAT(Harness::Bodies(ReceiveAs("two")), ElementsAre("a"));
}

TEST_F(BroadcastTest, PauseHoldsAllClientsAndResumeWakesThem) {
  const auto set_paused = [this](bool paused) {
    h.life().metadata.SetPaused(kAll, paused, [](const absl::StatusOr<GroupPtr>&) {});
    h.Settle();
  };
  set_paused(true);
  h.Send("a");
  const ReceiveCall one = ReceiveAs("one");
  const ReceiveCall two = ReceiveAs("two");
  EXPECT_FALSE(one->finished());
  set_paused(false);
  EXPECT_THAT(Harness::Bodies(one), ElementsAre("a"));
  EXPECT_THAT(Harness::Bodies(two), ElementsAre("a"));
}

TEST_F(BroadcastTest, DeletingTheGroupForgetsItsClients) {
  h.Send("a");
  ReceiveAs("one");
  const ReceiveCall parked = ReceiveAs("one");
  h.life().metadata.DeleteGroup(kAll, [](const absl::StatusOr<GroupPtr>&) {});
  h.store().Run();
  EXPECT_TRUE(parked->finished());
  CreateGroup(StartPolicy::kEarliest);
  EXPECT_THAT(Describe(), SizeIs(0));
  EXPECT_THAT(Harness::Bodies(ReceiveAs("one")), ElementsAre("a"));
}

class BroadcastLimitTest : public BroadcastTest {
 protected:
  static ConsumptionOptions TwoMembers() {
    ConsumptionOptions options;
    options.broadcast.max_members = 2;
    return options;
  }
  BroadcastLimitTest() : BroadcastTest(TwoMembers()) {}
};

TEST_F(BroadcastLimitTest, OneClientTooManyIsRefused) {
  ReceiveAs("one");
  ReceiveAs("two");
  const ReceiveCall third = ReceiveAs("three");
  ASSERT_TRUE(third->finished());
  EXPECT_EQ(Harness::StatusOf(third), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(third->Elements<v2::ReceiveMessageResponse>()[0].status().message(),
              HasSubstr("limits.broadcast-clients"));
}

TEST_F(BroadcastTest, NobodyWaitsForTheMessagesOfAClientThatIsAway) {
  ReceiveAs("one")->Cancel();
  h.Send("a");
  Pass(absl::Minutes(30));
  const auto positions = Describe();
  ASSERT_THAT(positions, SizeIs(1));
  EXPECT_TRUE(positions[0].away);
  const auto group = h.life().metadata.FindGroup(kAll);
  for (const v1::GroupExplanation& cause : h.life().consumption->Explain(*group, true)) {
    EXPECT_EQ(cause.messages(), 0) << cause.text();
  }
  EXPECT_THAT(Harness::Bodies(ReceiveAs("one")), ElementsAre("a")) << "it has kept its place";
  EXPECT_FALSE(Describe()[0].away);
}

}  // namespace
}  // namespace mansio::broker
