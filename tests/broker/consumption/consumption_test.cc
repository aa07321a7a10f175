#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

std::string HandleOf(const v2::Message& m) { return m.system_properties().receipt_handle(); }

// A topic of one queue and a group that begins at its start.
class ConsumptionTest : public testing::Test {
 protected:
  ConsumptionTest() {
    h.CreateTopic();
    h.CreateGroup(StartPolicy::kEarliest);
  }
  std::vector<v2::Message> ReceiveNow(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h.Receive(a);
    EXPECT_TRUE(call->finished());
    return Harness::Messages(call);
  }
  // "push-1" gets this message for the second time when `time_passes`, and not before.
  void ExpectComesAgain(const std::string& body, absl::FunctionRef<void()> time_passes) {
    const ReceiveCall parked = h.Receive({.auto_renew = true, .client = "push-1"});
    EXPECT_FALSE(parked->finished()) << "whoever got it has a minute";
    time_passes();
    ASSERT_TRUE(parked->finished());
    const auto again = Harness::Messages(parked);
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].body(), body);
    EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
  }
  Harness h;
};

TEST_F(ConsumptionTest, DeliversInOrderAndAcknowledgesForGood) {
  h.Send("a");
  h.Send("b");
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(messages[0].body(), "a");
  EXPECT_EQ(messages[1].body(), "b");
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 1);
  EXPECT_EQ(messages[1].system_properties().queue_offset(), 1);
  const auto response = h.Ack({HandleOf(messages[0]), HandleOf(messages[1])});
  EXPECT_EQ(response.status().code(), v2::OK);
  h.Advance(absl::Hours(1));
  const ReceiveCall again = h.Receive();
  EXPECT_FALSE(again->finished());
}

TEST_F(ConsumptionTest, AnAckedHandleIsStale) {
  h.Send("a");
  const auto messages = ReceiveNow();
  EXPECT_EQ(h.Ack({HandleOf(messages[0])}).status().code(), v2::OK);
  const auto second = h.Ack({HandleOf(messages[0])});
  EXPECT_EQ(second.status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_THAT(second.status().message(), HasSubstr("INVALID_RECEIPT_HANDLE"));
  EXPECT_EQ(second.entries(0).status().code(), v2::INVALID_RECEIPT_HANDLE);
}

TEST_F(ConsumptionTest, OneRequestNamingAHandleTwiceAcksItOnce) {
  h.Send("a");
  const auto messages = ReceiveNow();
  const auto response = h.Ack({HandleOf(messages[0]), HandleOf(messages[0]), "garbage"});
  EXPECT_EQ(response.status().code(), v2::MULTIPLE_RESULTS);
  EXPECT_EQ(response.entries(0).status().code(), v2::OK);
  EXPECT_EQ(response.entries(1).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(response.entries(2).status().code(), v2::INVALID_RECEIPT_HANDLE);
}

TEST_F(ConsumptionTest, AHandleOfAnotherGroupIsForeign) {
  h.CreateGroup(StartPolicy::kEarliest, "others");
  h.Send("a");
  const auto messages = ReceiveNow();
  EXPECT_EQ(h.Ack({HandleOf(messages[0])}, "others").status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(h.Ack({HandleOf(messages[0])}).status().code(), v2::OK);
}

TEST_F(ConsumptionTest, AnAckBeforeTheLeaseIsDurableCounts) {
  h.Send("a");
  const ReceiveCall call = h.Receive();
  ASSERT_TRUE(call->finished());
  // The lease was answered when it had its place in the log; now the ack follows it there.
  EXPECT_EQ(h.Ack({HandleOf(Harness::Messages(call)[0])}).status().code(), v2::OK);
}

TEST_F(ConsumptionTest, AParkedReceiveIsWokenByAMessage) {
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  h.Send("a");
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("a"));
}

TEST_F(ConsumptionTest, AParkedReceiveEndsAfterItsPollingTime) {
  const ReceiveCall parked = h.Receive();
  h.Advance(absl::Seconds(20) - absl::Milliseconds(1));
  EXPECT_FALSE(parked->finished());
  h.Advance(absl::Milliseconds(1));
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(Harness::StatusOf(parked), v2::MESSAGE_NOT_FOUND);
}

TEST_F(ConsumptionTest, OneMessageWakesOneReceiveOfEachGroup) {
  h.CreateGroup(StartPolicy::kEarliest, "others");
  const ReceiveCall first = h.Receive();
  const ReceiveCall second = h.Receive();
  const ReceiveCall other = h.Receive({.group = "others"});
  h.Send("a");
  EXPECT_TRUE(first->finished());
  EXPECT_FALSE(second->finished());
  EXPECT_TRUE(other->finished());
}

TEST_F(ConsumptionTest, ALapsedLeaseIsDeliveredAgainWithItsAttemptCounted) {
  h.Send("a");
  const auto first = ReceiveNow();
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  h.Advance(absl::Seconds(30) - absl::Milliseconds(1));
  h.Advance(absl::Milliseconds(1));
  const auto second = ReceiveNow();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].system_properties().delivery_attempt(), 2);
  EXPECT_EQ(second[0].system_properties().message_id(), "a");
  EXPECT_EQ(h.Ack({HandleOf(first[0])}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(h.Ack({HandleOf(second[0])}).status().code(), v2::OK);
}

TEST_F(ConsumptionTest, AReturnedMessageWakesAParkedReceive) {
  h.Send("a");
  ReceiveNow({.invisible = absl::Seconds(10)});
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  h.Advance(absl::Seconds(10));
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("a"));
}

TEST_F(ConsumptionTest, AChangeGivesANewDeadlineAndANewHandle) {
  h.Send("a");
  const auto first = ReceiveNow();
  const auto changed = h.Change(HandleOf(first[0]), absl::Seconds(60));
  ASSERT_EQ(changed.status().code(), v2::OK);
  EXPECT_NE(changed.receipt_handle(), HandleOf(first[0]));
  EXPECT_EQ(h.Ack({HandleOf(first[0])}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  h.Advance(absl::Seconds(59));
  EXPECT_FALSE(h.Receive({.group = kGroup})->finished());
  EXPECT_EQ(h.Ack({changed.receipt_handle()}).status().code(), v2::OK);
}

TEST_F(ConsumptionTest, AChangeToZeroMakesTheMessageVisibleAtOnce) {
  h.Send("a");
  const auto first = ReceiveNow();
  ASSERT_EQ(h.Change(HandleOf(first[0]), absl::ZeroDuration()).status().code(), v2::OK);
  h.Advance(absl::Milliseconds(1));
  const auto second = ReceiveNow();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_EQ(second[0].system_properties().delivery_attempt(), 2);
}

TEST_F(ConsumptionTest, AFailedChangeEchoesTheHandle) {
  const auto changed = h.Change("garbage", absl::Seconds(60));
  EXPECT_EQ(changed.status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(changed.receipt_handle(), "garbage");
  EXPECT_EQ(h.Change("x", absl::Hours(13)).status().code(), v2::ILLEGAL_INVISIBLE_TIME);
  EXPECT_EQ(h.Change("x", absl::Seconds(-1)).status().code(), v2::ILLEGAL_INVISIBLE_TIME);
}

TEST_F(ConsumptionTest, FiltersByTag) {
  h.Send("a", 0, "red");
  h.Send("b", 0, "blue");
  h.Send("c", 0);
  h.Send("d", 0, "red");
  EXPECT_THAT(Harness::Bodies(h.Receive({.filter = " red || green "})), ElementsAre("a", "d"));
  // What the filter passed over is the group's no more (RocketMQ 5 API).
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(ConsumptionTest, AFilterThatNothingMatchesParks) {
  h.Send("a", 0, "red");
  const ReceiveCall parked = h.Receive({.filter = "blue"});
  EXPECT_FALSE(parked->finished());
  h.Send("b", 0, "red");
  EXPECT_FALSE(parked->finished());
  h.Send("c", 0, "blue");
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("c"));
}

TEST_F(ConsumptionTest, CancelWhileParkedTakesNothing) {
  const ReceiveCall parked = h.Receive();
  parked->Cancel();
  EXPECT_EQ(parked->times_finished(), 1);
  h.Send("a");
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 1);
}

TEST_F(ConsumptionTest, CancelBeforeTheAnswerGivesTheMessagesBackUncounted) {
  h.Send("a");
  ReceiveNow({.invisible = absl::Seconds(10)});
  h.Advance(absl::Seconds(10));  // attempt 1 is over
  h.store().HoldColdJobs(true);
  h.store().SetHot(true, false);  // the body has to be read from disk
  const ReceiveCall call = h.Receive();
  EXPECT_FALSE(call->finished());
  call->Cancel();
  h.store().RunColdJobs();
  h.store().Run();
  h.store().SetHot(true, true);
  EXPECT_THAT(Harness::Messages(call), IsEmpty());
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 2);
}

TEST_F(ConsumptionTest, ReadsColdEntriesAndMessages) {
  h.Send("a");
  h.Send("b");
  h.store().SetHot(false, false);
  const ReceiveCall call = h.Receive();
  ASSERT_TRUE(call->finished());
  EXPECT_THAT(Harness::Bodies(call), ElementsAre("a", "b"));
}

TEST_F(ConsumptionTest, TooManyColdReadsAreRefusedAndNothingIsLost) {
  h.Send("a");
  h.store().SetHot(true, false);
  h.store().RefuseColdJobs(true);
  const ReceiveCall call = h.Receive();
  EXPECT_EQ(Harness::StatusOf(call), v2::TOO_MANY_REQUESTS);
  h.store().SetHot(true, true);
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 1);
}

TEST_F(ConsumptionTest, ARefusedLeaseLosesNothing) {
  h.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
  h.store().Run();
  h.Send("a");
  h.store().RefuseSubmits(absl::ResourceExhaustedError("the log is behind"));
  const ReceiveCall refused = h.Receive();
  EXPECT_EQ(Harness::StatusOf(refused), v2::TOO_MANY_REQUESTS);
  h.store().RefuseSubmits(absl::OkStatus());
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 1);
}

// A full disk: what was accepted fails on its way, and later there is room again.
TEST_F(ConsumptionTest, AFailedLeaseLosesNothing) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  ReceiveNow({.batch = 1});
  h.Advance(absl::Seconds(30));  // "a" has come back
  const ReceiveCall first = h.Start({.batch = 2});
  const ReceiveCall second = h.Start({.batch = 2});
  h.store().StepFail(absl::UnavailableError("no room"));
  EXPECT_EQ(Harness::StatusOf(first), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(Harness::StatusOf(second), v2::INTERNAL_SERVER_ERROR);
  const auto messages = ReceiveNow();
  std::map<std::string, v2::Message> by_body;
  for (const v2::Message& message : messages) by_body[message.body()] = message;
  ASSERT_THAT(by_body, SizeIs(3));
  EXPECT_EQ(by_body["a"].system_properties().delivery_attempt(), 2);
  EXPECT_EQ(by_body["b"].system_properties().delivery_attempt(), 1);
  EXPECT_EQ(h.Ack({HandleOf(by_body["b"])}).status().code(), v2::OK);
  h.Restart();
  h.Advance(absl::Minutes(2));
  EXPECT_THAT(Harness::Bodies(h.Receive()), UnorderedElementsAre("a", "c"));
}

TEST_F(ConsumptionTest, AFailedEndLeavesTheLeaseToItsDeadline) {
  h.Send("a");
  const std::string handle = HandleOf(ReceiveNow()[0]);
  h.FailNext(absl::UnavailableError("no room"));
  EXPECT_EQ(h.Ack({handle}).status().code(), v2::INTERNAL_SERVER_ERROR);
  h.FailNext(absl::UnavailableError("no room"));
  const auto change = h.Change(handle, absl::Seconds(60));
  EXPECT_EQ(change.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(change.receipt_handle(), handle);
  h.FailNext(absl::UnavailableError("no room"));
  h.Advance(absl::Seconds(30));  // lapses, which cannot be logged, and is tried again
  h.Advance(absl::Seconds(1));
  const auto messages = ReceiveNow();
  ASSERT_THAT(messages, SizeIs(1));
  EXPECT_EQ(messages[0].system_properties().delivery_attempt(), 2);
}

TEST_F(ConsumptionTest, AnAckThatFailedCanBeRepeated) {
  h.Send("a");
  const std::string handle = HandleOf(ReceiveNow()[0]);
  h.FailNext(absl::UnavailableError("no room"));
  EXPECT_EQ(h.Ack({handle}).status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(h.Ack({handle}).status().code(), v2::OK);
}

TEST(ConsumptionTurnTest, AColdQueueGetsItsTurnBesideHotOnes) {
  Harness h;
  h.CreateTopic(2);
  h.CreateGroup(StartPolicy::kEarliest);
  for (int i = 0; i < 8; ++i) h.Send("cold", 0);
  for (int i = 0; i < 8; ++i) h.Send("hot", 1);
  h.store().SetColdQueue({h.life().metadata.FindTopic(kTopic)->id, 0});
  std::map<std::string, int> taken;
  for (int i = 0; i < 6; ++i) {
    for (const std::string& body : Harness::Bodies(h.Receive({.batch = 1}))) ++taken[body];
  }
  EXPECT_EQ(taken["cold"], 3);
  EXPECT_EQ(taken["hot"], 3);
}

TEST_F(ConsumptionTest, TakesFromEveryQueueInTurn) {
  Harness wide;
  wide.CreateTopic(4);
  wide.CreateGroup(StartPolicy::kEarliest);
  for (uint32_t queue = 0; queue < 4; ++queue) {
    for (int i = 0; i < 2; ++i) wide.Send(std::to_string(queue), queue);
  }
  std::vector<std::string> first_of_each;
  for (int i = 0; i < 4; ++i)
    first_of_each.push_back(Harness::Bodies(wide.Receive({.batch = 1}))[0]);
  EXPECT_THAT(first_of_each, UnorderedElementsAre("0", "1", "2", "3"));
}

TEST_F(ConsumptionTest, StartPolicies) {
  h.Send("old");
  h.CreateGroup(StartPolicy::kLatest, "latest");
  EXPECT_FALSE(h.Receive({.group = "latest"})->finished());
  // First use: the queue was never trimmed and its first message is recent, so the group begins at
  // 0.
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "new-group"})), ElementsAre("old"));
  h.Advance(absl::Minutes(11));
  EXPECT_FALSE(h.Receive({.group = "newer-group"})->finished());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("old"));
}

// What producers send to the new broker before the consumers know of it is theirs.
TEST(AddedTopicTest, OlderGroupsBeginWithTheFirstMessage) {
  Harness h;
  h.CreateGroup(StartPolicy::kLatest, "latest");
  h.CreateGroup(StartPolicy::kDefault, "away");
  h.CreateTopic({.name = kTopic, .queues = 1, .added = true});
  h.Send("sent");
  h.Advance(absl::Minutes(11));
  h.CreateGroup(StartPolicy::kLatest, "younger");
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "latest"})), ElementsAre("sent"));
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "away"})), ElementsAre("sent"));
  EXPECT_FALSE(h.Receive({.group = "younger"})->finished());
}

// It has not asked here yet, and what is sent meanwhile waits for it.
TEST(AddedTopicTest, AGroupCanHaveItsPositionBeforeItComes) {
  Harness h;
  h.CreateGroup(StartPolicy::kLatest, "nightly");
  h.CreateTopic({.name = kTopic, .queues = 1, .added = true});
  const GroupPtr group = h.life().metadata.FindGroup("nightly");
  const TopicPtr topic = h.life().metadata.FindTopic(kTopic);
  Consumption& consumption = *h.life().consumption;
  EXPECT_FALSE(consumption.HasPosition(*group, topic->id));
  bool fixed = false;
  consumption.EnsurePosition(group, topic, [&fixed](const absl::Status& s) { fixed = s.ok(); });
  h.store().Run();
  EXPECT_TRUE(fixed);
  EXPECT_TRUE(consumption.HasPosition(*group, topic->id));
  h.Send("sent");
  ASSERT_EQ(consumption.Describe(*group).size(), 1u);
  EXPECT_EQ(consumption.Describe(*group)[0].ready, 1u);
  h.Restart();
  EXPECT_TRUE(h.life().consumption->HasPosition(*group, topic->id));
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "nightly"})), ElementsAre("sent"));
}

TEST_F(ConsumptionTest, APositionIsFixedOnce) {
  h.CreateGroup(StartPolicy::kLatest, "latest");
  h.life().consumption->observer()->OnSubscription("c", "latest", {kTopic});
  h.store().Run();
  h.Send("after");
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "latest"})), ElementsAre("after"));
}

TEST_F(ConsumptionTest, LeasesAndCursorsSurviveARestart) {
  for (const bool from_checkpoint : {false, true}) {
    Harness r;
    r.CreateTopic();
    r.CreateGroup(StartPolicy::kEarliest);
    ASSERT_TRUE(r.life().metadata.FindTopic(kTopic) != nullptr);
    for (const char* body : {"a", "b", "c"}) r.Send(body);
    const auto messages = Harness::Messages(r.Receive({.batch = 2}));
    ASSERT_THAT(messages, SizeIs(2));
    EXPECT_EQ(r.Ack({HandleOf(messages[0])}).status().code(), v2::OK);
    r.Restart(from_checkpoint);
    EXPECT_THAT(Harness::Bodies(r.Receive()), ElementsAre("c"));
    EXPECT_EQ(r.Ack({HandleOf(messages[0])}).status().code(), v2::INVALID_RECEIPT_HANDLE);
    r.Advance(absl::Seconds(30));
    const auto again = Harness::Messages(r.Receive());
    ASSERT_THAT(again, SizeIs(2));
    EXPECT_EQ(again[0].body(), "b");
    EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
  }
}

TEST_F(ConsumptionTest, AHandleStaysGoodOverARestart) {
  h.Send("a");
  const auto messages = ReceiveNow();
  h.Restart();
  EXPECT_EQ(h.Ack({HandleOf(messages[0])}).status().code(), v2::OK);
  h.Advance(absl::Minutes(1));
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(ConsumptionTest, AutoRenewedLeasesLiveWithTheirClient) {
  h.Send("a");
  const auto first = ReceiveNow({.auto_renew = true, .client = "push-1"});
  for (int minute = 0; minute < 100; ++minute) {
    h.Advance(absl::Minutes(1));
    ASSERT_TRUE(h.life().clients.Touch("push-1").ok());
    h.life().clients.ExpireSilent();
  }
  EXPECT_FALSE(h.Receive({.client = "other"})->finished());
  EXPECT_EQ(h.Ack({HandleOf(first[0])}).status().code(), v2::OK);
}

TEST_F(ConsumptionTest, ATimeThatAClientHasNamedHoldsAfterItsDeath) {
  h.Send("a");
  const auto first = ReceiveNow({.client = "client-1"});
  EXPECT_EQ(h.Change(HandleOf(first[0]), absl::Seconds(60)).status().code(), v2::OK);
  h.life().clients.Terminate("client-1");
  h.Settle();
  const ReceiveCall parked = h.Receive({.client = "other"});
  h.Advance(absl::Seconds(15));
  EXPECT_FALSE(parked->finished());
  h.Advance(absl::Seconds(46));
  const auto again = Harness::Messages(h.Receive({.client = "other"}));
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
}

TEST_F(ConsumptionTest, LeasesOfADeadClientComeBack) {
  h.Send("a");
  ReceiveNow({.auto_renew = true, .client = "push-1"});
  const ReceiveCall parked = h.Receive({.client = "other"});
  EXPECT_FALSE(parked->finished());
  h.life().clients.Terminate("push-1");
  h.Settle();
  ASSERT_TRUE(parked->finished());
  const auto again = Harness::Messages(parked);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
}

TEST_F(ConsumptionTest, AfterARestartOwnersCountAsAliveForAMinute) {
  h.Send("a");
  h.Send("b");
  ReceiveNow({.batch = 1, .auto_renew = true, .client = "gone"});
  ReceiveNow({.batch = 1, .auto_renew = true, .client = "stays"});
  h.Advance(absl::Seconds(91));  // both have come
  h.Send("c");
  h.Ack({HandleOf(ReceiveNow({})[0])});
  h.Restart();
  h.Advance(absl::Seconds(50));
  const ReceiveCall other = h.Receive({.client = "other"});
  EXPECT_FALSE(other->finished());
  ASSERT_TRUE(h.life().clients.Touch("stays").ok());
  h.Advance(absl::Seconds(10));
  uint64_t leased = 0;
  for (const auto& queue : h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup))) {
    leased += queue.leased;
  }
  EXPECT_EQ(leased, 2u);
  const auto back = Harness::Messages(other);
  ASSERT_THAT(back, SizeIs(1));
  EXPECT_EQ(back[0].body(), "a");
}

// It may have been on its way to a client that lives on, and does not miss it.
TEST_F(ConsumptionTest, WhatWasHandedOutWhenTheBrokerDiedComesAgain) {
  h.Send("early");
  const auto early = ReceiveNow({.auto_renew = true, .client = "push-1"});
  h.Advance(absl::Seconds(91));
  ASSERT_TRUE(h.life().clients.Touch("push-1").ok());
  h.Send("late");
  ReceiveNow({.auto_renew = true, .client = "push-1"});
  h.Restart();
  h.Advance(absl::Seconds(59));
  ASSERT_TRUE(h.life().clients.Touch("push-1").ok());
  ExpectComesAgain("late", [&] { h.Advance(absl::Seconds(1)); });
  EXPECT_EQ(h.Ack({HandleOf(early[0])}).status().code(), v2::OK);
}

// Its client lives on and does not miss it: nobody else would ever get it.
TEST_F(ConsumptionTest, WhatMayHaveGoneWithABrokenConnectionComesAgain) {
  h.Send("early");
  const auto early = ReceiveNow({.auto_renew = true, .client = "push-1"});
  h.Advance(absl::Seconds(31));
  h.Send("lost");
  ReceiveNow({.auto_renew = true, .client = "push-1"});
  h.Send("of another");
  const auto other = ReceiveNow({.auto_renew = true, .client = "push-2"});
  h.life().consumption->observer()->OnStreamLost("push-1");
  h.Advance(absl::Seconds(1));
  h.Send("later");
  const auto later = ReceiveNow({.auto_renew = true, .client = "push-1"});
  h.Advance(absl::Seconds(58));
  for (const char* client : {"push-1", "push-2"}) {
    ASSERT_TRUE(h.life().clients.Touch(client).ok());
  }
  ExpectComesAgain("lost", [&] { h.Advance(absl::Seconds(1)); });
  h.Advance(absl::Minutes(1));
  for (const auto& held : {early, other, later}) {
    EXPECT_EQ(h.Ack({HandleOf(held[0])}).status().code(), v2::OK) << held[0].body();
  }
}

TEST_F(ConsumptionTest, AConnectionThatBreaksAllTheTimeDoesNotPutOffWhatWasLostWithIt) {
  h.Send("lost");
  ReceiveNow({.auto_renew = true, .client = "push-1"});
  const auto break_for = [&](int seconds) {
    for (int second = 0; second < seconds; ++second) {
      h.life().consumption->observer()->OnStreamLost("push-1");
      ASSERT_TRUE(h.life().clients.Touch("push-1").ok());
      h.Advance(absl::Seconds(1));
    }
  };
  break_for(118);
  ExpectComesAgain("lost", [&] { break_for(2); });
}

TEST_F(ConsumptionTest, ATrimmedQueueGoesOnAtItsMinimum) {
  h.Send("a");
  h.Send("b");
  h.Send("c");
  h.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
  h.store().Run();
  h.store().TrimQueue({h.life().metadata.FindTopic(kTopic)->id, 0}, 2);
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("c"));
}

TEST_F(ConsumptionTest, ALeasedMessageThatRetentionTookIsForgotten) {
  h.Send("a");
  ReceiveNow({.invisible = absl::Seconds(10)});
  h.store().TrimQueue({h.life().metadata.FindTopic(kTopic)->id, 0}, 1);
  h.Advance(absl::Seconds(10));
  EXPECT_FALSE(h.Receive()->finished());
  EXPECT_EQ(h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup))[0].leased, 0u);
}

TEST_F(ConsumptionTest, ALeasedMessageOutlivesItsSegmentAndComesAgain) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  const store::QueueKey queue{h.life().metadata.FindTopic(kTopic)->id, 0};
  EXPECT_THAT(Harness::Bodies(h.Receive({.batch = 2, .invisible = absl::Seconds(10)})),
              ElementsAre("a", "b"));
  h.store().CarryAndTrimQueue(queue, 3);
  EXPECT_THAT(h.store().CarriedEntries(queue, 0, 10), ::testing::SizeIs(2));
  h.Advance(absl::Seconds(10));
  EXPECT_THAT(Harness::Bodies(h.Receive({.batch = 2})), ElementsAre("a", "b"));
}

TEST_F(ConsumptionTest, WhatIsAcknowledgedOrWasNeverTakenIsNotLive) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  const store::QueueKey queue{h.life().metadata.FindTopic(kTopic)->id, 0};
  const auto messages = ReceiveNow({.batch = 2, .invisible = absl::Seconds(10)});
  ASSERT_THAT(messages, SizeIs(2));
  EXPECT_EQ(h.Ack({HandleOf(messages[0])}).status().code(), v2::OK);
  const auto live = h.life().consumption->features()[1]->LiveMessages(queue, 0, 3, 10);
  ASSERT_THAT(live, SizeIs(1));
  EXPECT_EQ(live[0].offset, 1u);
  EXPECT_EQ(live[0].keep, absl::InfiniteDuration());
}

TEST_F(ConsumptionTest, UnknownTopic) {
  EXPECT_EQ(Harness::StatusOf(h.Receive({.topic = "nowhere"})), v2::TOPIC_NOT_FOUND);
}

TEST_F(ConsumptionTest, BadRequests) {
  EXPECT_EQ(Harness::StatusOf(h.Receive({.topic = "no/topic"})), v2::ILLEGAL_TOPIC);
  EXPECT_EQ(Harness::StatusOf(h.Receive({.group = "no group"})), v2::ILLEGAL_CONSUMER_GROUP);
  EXPECT_EQ(Harness::StatusOf(h.Receive({.invisible = absl::Seconds(9)})),
            v2::ILLEGAL_INVISIBLE_TIME);
  EXPECT_EQ(Harness::StatusOf(h.Receive({.invisible = absl::Hours(13)})),
            v2::ILLEGAL_INVISIBLE_TIME);
  EXPECT_EQ(Harness::StatusOf(h.Receive({.filter = "||"})), v2::ILLEGAL_FILTER_EXPRESSION);
  EXPECT_EQ(Harness::StatusOf(h.Receive({.client = ""})), v2::CLIENT_ID_REQUIRED);
}

TEST_F(ConsumptionTest, DeletingTheTopicEndsParkedReceives) {
  const ReceiveCall parked = h.Receive();
  h.life().metadata.DeleteTopic(kTopic, [](absl::StatusOr<TopicPtr>) {});
  h.store().Run();
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(Harness::StatusOf(parked), v2::TOPIC_NOT_FOUND);
}

TEST(ConsumptionLimitsTest, ParkedReceives) {
  Harness h({.max_parked_receives = 2});
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest);
  const ReceiveCall first = h.Receive();
  h.Receive();
  EXPECT_EQ(Harness::StatusOf(h.Receive()), v2::TOO_MANY_REQUESTS);
  h.Send("a");
  EXPECT_THAT(Harness::Bodies(first), ElementsAre("a"));
}

TEST(ConsumptionLimitsTest, Leases) {
  Harness h({.max_leases = 1});
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest);
  h.Send("a");
  h.Send("b");
  const ReceiveCall first = h.Receive({.batch = 1});
  EXPECT_EQ(Harness::StatusOf(h.Receive()), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(h.Ack({HandleOf(Harness::Messages(first)[0])}).status().code(), v2::OK);
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("b"));
}

TEST(ConsumptionLimitsTest, BytesOfOneAnswer) {
  Harness h({.max_answer_bytes = 4000});  // a message has its body as its id, too
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest);
  for (const char c : {'a', 'b', 'c', 'd'}) h.Send(std::string(1500, c));
  h.Send(std::string(5000, 'e'));
  EXPECT_THAT(Harness::Bodies(h.Receive()), SizeIs(2));
  EXPECT_THAT(Harness::Bodies(h.Receive()), SizeIs(2));
  EXPECT_THAT(Harness::Bodies(h.Receive()), SizeIs(1));
}

TEST(ConsumptionStopTest, AnswersParkedReceives) {
  Harness h;
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest);
  const ReceiveCall parked = h.Receive();
  h.life().consumption->Stop();
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(Harness::StatusOf(parked), v2::MESSAGE_NOT_FOUND);
}

TEST_F(ConsumptionTest, APollEndsWhileBrokerTimeStandsStill) {
  h.clock.SetWall(h.clock.WallNow() - absl::Hours(1));
  for (int i = 0; i < 62; ++i) h.Advance(absl::Seconds(1));
  const int64_t before = h.life().time.NowMillis();
  const ReceiveCall call = h.Receive();
  h.Advance(absl::Seconds(19));
  EXPECT_FALSE(call->finished());
  h.Advance(absl::Seconds(2));
  EXPECT_EQ(h.life().time.NowMillis(), before) << "it stands still";
  ASSERT_TRUE(call->finished());
  EXPECT_EQ(Harness::StatusOf(call), v2::MESSAGE_NOT_FOUND);
}

}  // namespace
}  // namespace mansio::broker
