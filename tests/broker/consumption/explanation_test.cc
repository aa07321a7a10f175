// Why a group does not get messages: from situations made up here, and from staged ones.

#include "broker/consumption/explanation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::vector<v1::GroupCause> Causes(const std::vector<v1::GroupExplanation>& explanations) {
  std::vector<v1::GroupCause> causes;
  for (const v1::GroupExplanation& explanation : explanations) {
    causes.push_back(explanation.cause());
  }
  return causes;
}

class ExplanationTest : public testing::Test {
 protected:
  void Begin(bool fifo = false, ConsumptionOptions options = {}) {
    h_ = std::make_unique<Harness>(std::move(options));
    h_->CreateTopic();
    h_->CreateGroup(StartPolicy::kEarliest, kGroup, 17, fifo);
  }
  std::vector<v1::GroupExplanation> Why(bool may_read = true) {
    return h_->life().consumption->Explain(*h_->life().metadata.FindGroup(kGroup), may_read);
  }
  // What a receive gets, without waiting.
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_->Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  // A consumer that is alive for all of the test.
  void Connect(const std::string& client) {
    ASSERT_TRUE(
        h_->life()
            .clients
            .Describe(client, gateway::ClientRole::kSimpleConsumer, kGroup, {kTopic}, "", "", "")
            .ok());
  }
  std::unique_ptr<Harness> h_;
};

TEST_F(ExplanationTest, NobodyIsThere) {
  Begin();
  const auto nothing = Why();
  EXPECT_THAT(Causes(nothing), ElementsAre(v1::GROUP_CAUSE_NO_CONSUMER));
  h_->Send("m");
  Get();
  h_->Advance(absl::Seconds(31));  // it comes again, and its consumer does not
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_NO_CONSUMER));
  EXPECT_EQ(why[0].messages(), 1);
  EXPECT_THAT(why[0].text(), HasSubstr("1 message is waiting"));
}

TEST_F(ExplanationTest, AllIsWell) {
  Begin();
  Connect("client-1");
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_CAUGHT_UP)) << "nothing consumed so far";
  h_->Send("a");
  h_->Send("b");
  const auto a = Get({.batch = 1});
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_DELIVERING));
  EXPECT_EQ(why[0].topic(), kTopic);
  EXPECT_EQ(why[0].messages(), 1);
  h_->Ack({a[0].system_properties().receipt_handle()});
  h_->Ack({Get()[0].system_properties().receipt_handle()});
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_CAUGHT_UP));
}

TEST_F(ExplanationTest, ThePausedGroupComesFirst) {
  Begin();
  Connect("client-1");
  h_->Send("a");
  Get();
  h_->Send("b");
  h_->life().metadata.SetPaused(kGroup, true, [](absl::StatusOr<GroupPtr>) {});
  h_->Settle();
  const auto why = Why();
  EXPECT_EQ(why[0].cause(), v1::GROUP_CAUSE_PAUSED);
  EXPECT_EQ(why[0].messages(), 1);
  EXPECT_THAT(why[0].text(), HasSubstr("mansio group resume workers"));
}

TEST_F(ExplanationTest, ConsumersHoldAllThereIs) {
  Begin();
  Connect("client-1");
  h_->Send("a");
  h_->Send("b");
  const int64_t now = h_->life().time.NowMillis();
  Get({.invisible = absl::Seconds(60)});
  auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_IN_FLIGHT));
  EXPECT_EQ(why[0].messages(), 2);
  EXPECT_EQ(why[0].until().seconds(), now / 1000 + 60);
  // Its stream is not open, and it is silent for long enough.
  h_->Advance(absl::Seconds(11));
  why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_CLIENT_LOST));
  EXPECT_EQ(why[0].client_id(), "client-1");
  EXPECT_EQ(why[0].messages(), 2);
  EXPECT_EQ(why[0].until().seconds(), now / 1000 + 60);
  EXPECT_THAT(why[0].text(), HasSubstr("11s"));
}

TEST_F(ExplanationTest, MessagesThatFailedWaitForTheirNextAttempt) {
  Begin();
  Connect("client-1");
  h_->Send("a");
  const auto messages = Get();
  const int64_t now = h_->life().time.NowMillis();
  h_->Change(messages[0].system_properties().receipt_handle(), absl::Seconds(50));
  auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_BACK_OFF));
  EXPECT_EQ(why[0].messages(), 1);
  EXPECT_EQ(why[0].until().seconds(), now / 1000 + 50);
  h_->Restart(/*from_checkpoint=*/true);
  Connect("client-1");
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_BACK_OFF)) << "it is part of the state";
}

TEST_F(ExplanationTest, AMessageGroupWaitsForItsHead) {
  Begin(/*fifo=*/true);
  Connect("client-1");
  for (const char* body : {"a1", "a2", "a3"}) h_->Send(body, 0, "", {}, "customer-a");
  ASSERT_THAT(Get({.batch = 1, .invisible = absl::Seconds(60)}), SizeIs(1));
  EXPECT_THAT(Get({.client = "client-2"}), SizeIs(0));
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_FIFO_HEAD));
  EXPECT_EQ(why[0].message_group(), "customer-a");
  EXPECT_EQ(why[0].client_id(), "client-1");
  EXPECT_EQ(why[0].messages(), 2);
  EXPECT_EQ(why[0].queue_id(), 0);
  EXPECT_EQ(why[0].until().seconds(), h_->life().time.NowMillis() / 1000 + 60);
  h_->store().SetHot(/*entries=*/false, /*messages=*/false);
  EXPECT_EQ(Why()[0].message_group(), "customer-a") << "read from disk";
  EXPECT_EQ(Why(/*may_read=*/false)[0].message_group(), "");
}

TEST_F(ExplanationTest, NoMessageMatches) {
  Begin();
  Connect("client-1");
  h_->Send("a", 0, "red");
  h_->Send("b", 0, "red");
  EXPECT_THAT(Get({.filter = "blue"}), SizeIs(0));
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_FILTER));
  EXPECT_EQ(why[0].messages(), 2);
  EXPECT_THAT(why[0].text(), HasSubstr("'blue'"));
  h_->Send("c", 0, "blue");
  h_->Ack({Get({.filter = "blue"})[0].system_properties().receipt_handle()});
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_CAUGHT_UP));
}

TEST_F(ExplanationTest, RetentionWasFaster) {
  Begin();
  Connect("client-1");
  h_->Send("m0");
  h_->Ack({Get()[0].system_properties().receipt_handle()});
  for (int i = 1; i < 10; ++i) h_->Send("m" + std::to_string(i));
  h_->store().TrimQueue({h_->life().metadata.FindTopic(kTopic)->id, 0}, 7);
  auto why = Why();
  EXPECT_EQ(why[0].cause(), v1::GROUP_CAUSE_BEHIND_RETENTION);
  EXPECT_EQ(why[0].messages(), 6);
  EXPECT_EQ(why[0].queue_id(), 0);
  EXPECT_THAT(Get(), SizeIs(3));
  why = Why();
  EXPECT_EQ(why[0].cause(), v1::GROUP_CAUSE_BEHIND_RETENTION) << "this is told for a while";
  EXPECT_EQ(why[0].messages(), 6);
  h_->Advance(absl::Hours(2));
  for (const v1::GroupExplanation& explanation : Why()) {
    EXPECT_NE(explanation.cause(), v1::GROUP_CAUSE_BEHIND_RETENTION);
  }
}

TEST_F(ExplanationTest, ALimitIsReached) {
  struct Case {
    const char* key;
    ConsumptionOptions options;
  };
  ConsumptionOptions broker, group, queue;
  broker.max_leases = group.max_group_leases = queue.max_queue_leases = 2;
  for (const Case& limit :
       {Case{"limits.leases allows", broker}, Case{"limits.leases-per-group", group},
        Case{"limits.leases-per-queue", queue}}) {
    Begin(false, limit.options);
    Connect("client-1");
    for (const char* body : {"a", "b", "c"}) h_->Send(body);
    EXPECT_THAT(Get(), SizeIs(2));
    const auto why = Why();
    ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_LEASE_LIMIT));
    EXPECT_EQ(why[0].messages(), 1);
    EXPECT_THAT(why[0].text(), HasSubstr(limit.key));
  }
}

TEST_F(ExplanationTest, AConsumerIsThereAndDoesNotAsk) {
  Begin();
  Connect("client-1");
  h_->Send("a");
  h_->Ack({Get()[0].system_properties().receipt_handle()});
  h_->Advance(absl::Seconds(40));
  Connect("client-1");
  h_->Send("b");
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_NOT_RECEIVING));
  EXPECT_EQ(why[0].client_id(), "client-1");
  EXPECT_THAT(why[0].text(), HasSubstr("for 40s"));
}

TEST_F(ExplanationTest, ASubscriptionIsRefused) {
  Begin();
  Connect("client-1");
  h_->Send("m");
  const ReceiveArguments wrong = {.filter = "amount >< 3", .filter_type = v2::SQL};
  EXPECT_EQ(Harness::StatusOf(h_->Receive(wrong)), v2::ILLEGAL_FILTER_EXPRESSION);
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_REFUSED));
  EXPECT_THAT(why[0].text(), AllOf(HasSubstr("client-1"), HasSubstr("ILLEGAL_FILTER_EXPRESSION")));
  EXPECT_EQ(why[0].topic(), kTopic);
  EXPECT_EQ(why[0].client_id(), "client-1");
  Get();
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_IN_FLIGHT)) << "it is served again";
}

TEST_F(ExplanationTest, WhatIsRefusedIsToldOfEachTopicAndForSomeTime) {
  Begin();
  Connect("client-1");
  Get();
  Connect("client-2");
  for (const char* client : {"client-1", "client-2"}) {
    const ReceiveCall call = h_->Receive({.topic = "nowhere", .client = client});
    EXPECT_EQ(Harness::StatusOf(call), v2::TOPIC_NOT_FOUND);
  }
  const auto why = Why();
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_REFUSED, v1::GROUP_CAUSE_CAUGHT_UP));
  EXPECT_THAT(why[0].text(), AllOf(HasSubstr("2 clients"), HasSubstr("TOPIC_NOT_FOUND")));
  EXPECT_EQ(why[0].topic(), "nowhere");
  h_->Advance(absl::Seconds(61));
  EXPECT_THAT(Causes(Why()), ElementsAre(v1::GROUP_CAUSE_CAUGHT_UP));
}

TEST_F(ExplanationTest, WhatHadItsLastAttemptBecomesADeadLetter) {
  h_ = std::make_unique<Harness>();
  h_->CreateTopic();
  h_->CreateGroup(StartPolicy::kEarliest, kGroup, 2);
  Connect("client-1");
  for (const char* body : {"a", "b"}) h_->Send(body);
  const auto first = Get();
  ASSERT_THAT(first, SizeIs(2));
  EXPECT_EQ(h_->Change(first[0].system_properties().receipt_handle(), absl::ZeroDuration())
                .status()
                .code(),
            v2::OK);
  h_->Settle();
  const auto second = Get();
  ASSERT_THAT(second, SizeIs(1));
  h_->Change(second[0].system_properties().receipt_handle(), absl::Seconds(20));
  h_->Change(first[1].system_properties().receipt_handle(), absl::Seconds(20));
  const auto both = Why();
  ASSERT_THAT(Causes(both), ElementsAre(v1::GROUP_CAUSE_BACK_OFF));
  EXPECT_THAT(both[0].text(),
              AllOf(HasSubstr("2 messages were given back"), HasSubstr("of these 1 message had "),
                    HasSubstr("becomes a dead letter at")));
  h_->Restart(true);
  Connect("client-1");
  EXPECT_THAT(Why().at(0).text(), HasSubstr("1 message had its last attempt"));
}

TEST(ExplainTest, EachTopicIsExplained) {
  GroupSituation group;
  group.group = "g";
  group.now_ms = 1000000;
  group.clients = {"c"};
  group.max_queue_leases = group.max_group_leases = group.max_broker_leases = 10;
  TopicSituation idle;
  idle.topic = "idle";
  TopicSituation filtered;
  filtered.topic = "filtered";
  filtered.passed_over = 7;
  filtered.filter = "x\n";
  group.topics = {idle, filtered};
  const auto why = Explain(group);
  ASSERT_THAT(Causes(why), ElementsAre(v1::GROUP_CAUSE_FILTER, v1::GROUP_CAUSE_CAUGHT_UP));
  EXPECT_EQ(why[0].topic(), "filtered");
  EXPECT_THAT(why[0].text(), AllOf(HasSubstr("7 messages"), HasSubstr("'x\\n'")));
  EXPECT_EQ(why[1].topic(), "idle");
}

}  // namespace
}  // namespace mansio::broker
