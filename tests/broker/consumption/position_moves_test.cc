#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/consumption/consumption_state.h"
#include "common/status/wire_status.h"
#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr ResetPoint kToEarliest{};
constexpr ResetPoint kToLatest{ResetPoint::Kind::kLatest, 0};
ResetPoint ToOffset(int64_t offset) { return {ResetPoint::Kind::kOffset, offset}; }

std::string FirstHandle(const ReceiveCall& call) {
  return Harness::Messages(call).at(0).system_properties().receipt_handle();
}

// A topic of one queue, and a group that begins at its start.
class PositionMovesTest : public testing::Test {
 protected:
  PositionMovesTest() {
    h.CreateTopic();
    h.CreateGroup(StartPolicy::kEarliest);
  }
  // Asks for a reset without letting the log do anything.
  std::shared_ptr<std::optional<absl::Status>> StartReset(
      ResetPoint to, std::optional<uint32_t> queue = std::nullopt) {
    auto result = std::make_shared<std::optional<absl::Status>>();
    h.life().consumption->Reset(h.life().metadata.FindGroup(kGroup),
                                h.life().metadata.FindTopic(kTopic), to, queue,
                                [result](const absl::Status& status) { *result = status; });
    return result;
  }
  absl::Status Reset(ResetPoint to, std::optional<uint32_t> queue = std::nullopt) {
    const auto result = StartReset(to, queue);
    h.store().Run();
    return result->value_or(absl::UnknownError("the reset was not answered"));
  }
  void SetPaused(bool paused) {
    h.life().metadata.SetPaused(
        kGroup, paused, [](const absl::StatusOr<GroupPtr>& group) { EXPECT_TRUE(group.ok()); });
    h.store().Run();
  }
  // A receive whose lease is submitted and no more.
  ReceiveCall StartReceive() {
    v2::ReceiveMessageRequest request;
    request.mutable_group()->set_name(kGroup);
    request.mutable_message_queue()->mutable_topic()->set_name(kTopic);
    request.set_batch_size(32);
    request.mutable_invisible_duration()->set_seconds(30);
    auto call = std::make_shared<rpc::testing::FakeServerStreamCall>(request.SerializeAsString(),
                                                                     Harness::Headers("client-1"));
    h.life().methods.server_stream[0].handler(*call);
    return call;
  }
  Harness h;
};

TEST_F(PositionMovesTest, ToEarliestEverythingComesAgainWithFreshAttempts) {
  h.Send("a");
  h.Send("b");
  const ReceiveCall before = h.Receive();
  ASSERT_THAT(Harness::Bodies(before), ElementsAre("a", "b"));
  EXPECT_EQ(h.Ack({FirstHandle(before)}).status().code(), v2::OK);
  ASSERT_TRUE(Reset(kToEarliest).ok());
  const auto again = Harness::Messages(h.Receive());
  ASSERT_THAT(again, SizeIs(2));
  EXPECT_EQ(again[0].body(), "a");
  EXPECT_EQ(again[1].system_properties().delivery_attempt(), 1);
}

TEST_F(PositionMovesTest, LeasesOfTheMovedQueueEnd) {
  h.Send("a");
  const ReceiveCall held = h.Receive();
  ASSERT_TRUE(Reset(kToLatest).ok());
  EXPECT_EQ(h.Ack({FirstHandle(held)}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  h.Advance(absl::Minutes(1));  // nothing lapses and comes again
  EXPECT_FALSE(h.Receive()->finished());
  h.Send("b");
  EXPECT_EQ(h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup))[0].cursor, 2u);
}

TEST_F(PositionMovesTest, ToAnOffsetOrItsNearestEnd) {
  for (const char* body : {"a", "b", "c"}) h.Send(body);
  ASSERT_TRUE(Reset(ToOffset(1)).ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("b", "c"));
  ASSERT_TRUE(Reset(ToOffset(99)).ok());
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(PositionMovesTest, ToTheFirstMessageStoredAtOrAfterATime) {
  h.Send("a");
  h.clock.Advance(absl::Seconds(10));
  const int64_t time = h.life().time.NowMillis();
  h.Send("b");
  h.clock.Advance(absl::Seconds(10));
  h.Send("c");
  ASSERT_TRUE(Reset({ResetPoint::Kind::kTime, time}).ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("b", "c"));
  ASSERT_TRUE(Reset({ResetPoint::Kind::kTime, time + 1}).ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("c"));
  ASSERT_TRUE(Reset({ResetPoint::Kind::kTime, time + 60000}).ok());
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(PositionMovesTest, AParkedReceiveIsWokenByAMoveBackwards) {
  h.Send("a");
  h.Ack({FirstHandle(h.Receive())});
  const ReceiveCall parked = h.Receive();
  ASSERT_FALSE(parked->finished());
  ASSERT_TRUE(Reset(kToEarliest).ok());
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("a"));
}

TEST_F(PositionMovesTest, AGroupThatNeverConsumedCanBeMoved) {
  h.Send("a");
  h.CreateGroup(StartPolicy::kLatest, "others");
  h.life().consumption->Reset(h.life().metadata.FindGroup("others"),
                              h.life().metadata.FindTopic(kTopic), kToEarliest, std::nullopt,
                              [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  h.store().Run();
  EXPECT_THAT(Harness::Bodies(h.Receive({.group = "others"})), ElementsAre("a"));
}

TEST_F(PositionMovesTest, OneQueueAlone) {
  h.CreateTopic(2, "two");
  h.life().consumption->observer()->OnSubscription("c", kGroup, {"two"});
  h.store().Run();
  h.life().consumption->Reset(h.life().metadata.FindGroup(kGroup),
                              h.life().metadata.FindTopic("two"), kToLatest, 1,
                              [](const absl::Status& status) { EXPECT_TRUE(status.ok()); });
  h.store().Run();
  EXPECT_THAT(h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup)), SizeIs(2));
}

TEST_F(PositionMovesTest, WhatWaitsToBeRetriedIsDroppedWithAResetOfAllQueues) {
  h.Send("a");
  h.Receive();
  h.Advance(absl::Seconds(30));  // "a" is in the retry queue
  ASSERT_TRUE(Reset(kToLatest).ok());
  EXPECT_FALSE(h.Receive()->finished());
  h.Restart();
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(PositionMovesTest, HandlesOfRetriesFromBeforeTheResetAreStale) {
  h.Send("a");
  h.Receive();
  h.Advance(absl::Seconds(30));
  const ReceiveCall retried = h.Receive();
  ASSERT_THAT(Harness::Bodies(retried), ElementsAre("a"));
  ASSERT_TRUE(Reset(kToEarliest).ok());
  EXPECT_EQ(h.Ack({FirstHandle(retried)}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  const ReceiveCall again = h.Receive();
  ASSERT_THAT(Harness::Bodies(again), ElementsAre("a"));
  EXPECT_EQ(h.Ack({FirstHandle(again)}).status().code(), v2::OK);
  h.Advance(absl::Hours(1));
  EXPECT_FALSE(h.Receive()->finished()) << "the retry's lease lives on";
}

TEST_F(PositionMovesTest, AResetOfOneQueueKeepsWhatWaitsToBeRetried) {
  h.Send("a");
  h.Receive();
  h.Advance(absl::Seconds(30));
  ASSERT_TRUE(Reset(kToLatest, 0).ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("a"));
}

// The lapsed lease is being moved to the retry queue when the reset ends it.
TEST_F(PositionMovesTest, AMoveOfAMessageThatTheResetOvertakesIsGivenUp) {
  h.Send("a");
  h.Receive();
  h.clock.Advance(absl::Seconds(30));
  h.life().timers.RunDue();
  const auto reset = StartReset(kToLatest);
  h.Settle();
  ASSERT_TRUE(reset->has_value() && (*reset)->ok());
  h.Send("b");
  const ReceiveCall next = h.Receive();
  ASSERT_THAT(Harness::Bodies(next), ElementsAre("b"));
  EXPECT_EQ(h.Ack({FirstHandle(next)}).status().code(), v2::OK);
}

// Leases on their way before the move belong to what it ends, those after it to what follows.
TEST_F(PositionMovesTest, AMoveBetweenTwoReceivesSeparatesThem) {
  h.Send("a");
  h.Receive()->Cancel();  // fixes the position
  ASSERT_TRUE(Reset(kToEarliest).ok());
  const ReceiveCall before = StartReceive();
  const auto reset = StartReset(kToEarliest);
  const ReceiveCall after = StartReceive();
  h.store().Run();
  ASSERT_TRUE(reset->has_value() && (*reset)->ok());
  ASSERT_THAT(Harness::Bodies(before), ElementsAre("a"));
  ASSERT_THAT(Harness::Bodies(after), ElementsAre("a"));
  EXPECT_EQ(h.Ack({FirstHandle(before)}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(h.Ack({FirstHandle(after)}).status().code(), v2::OK);
  h.Advance(absl::Hours(1));
  EXPECT_FALSE(h.Receive()->finished());
}

TEST_F(PositionMovesTest, ACancelledReceiveFromBeforeTheMoveGivesNothingBack) {
  h.Send("a");
  h.Receive()->Cancel();
  ASSERT_TRUE(Reset(kToEarliest).ok());
  const ReceiveCall before = StartReceive();
  const auto reset = StartReset(kToEarliest);
  const ReceiveCall after = StartReceive();
  before->Cancel();
  h.store().Run();
  ASSERT_THAT(Harness::Bodies(after), ElementsAre("a"));
  EXPECT_FALSE(h.Receive()->finished()) << "the lease of another receive was ended";
  EXPECT_EQ(h.Ack({FirstHandle(after)}).status().code(), v2::OK);
}

TEST_F(PositionMovesTest, ARefusedMoveChangesNothing) {
  h.Send("a");
  const ReceiveCall held = h.Receive();
  h.store().AcceptOnly(0);
  EXPECT_FALSE(Reset(kToLatest).ok());
  h.store().AcceptOnly(1000);
  EXPECT_EQ(h.Ack({FirstHandle(held)}).status().code(), v2::OK);
}

// A full disk: the move was accepted, fails on its way, and later there is room again.
TEST_F(PositionMovesTest, AMoveThatFailedInTheLogChangesNothing) {
  h.Send("a");
  h.Send("b");
  const auto held = Harness::Messages(h.Receive());
  ASSERT_THAT(held, SizeIs(2));
  const auto first = StartReset(kToEarliest);
  const ReceiveCall between = StartReceive();
  const auto second = StartReset(kToLatest);
  h.store().StepFail(absl::UnavailableError("no room"));
  EXPECT_FALSE(first->value().ok());
  EXPECT_FALSE(second->value().ok());
  for (const auto& message : held) {
    EXPECT_EQ(h.Ack({message.system_properties().receipt_handle()}).status().code(), v2::OK);
  }
  h.Send("c");
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("c"));
  ASSERT_TRUE(Reset(kToEarliest).ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("a", "b", "c"));
}

TEST_F(PositionMovesTest, WhatFailedBeforeAMoveThatFailsTooIsNextAgain) {
  h.Send("a");
  const ReceiveCall held = h.Receive();
  ASSERT_THAT(Harness::Bodies(held), ElementsAre("a"));
  h.Send("b");
  const ReceiveCall failed = StartReceive();
  const auto ack = h.BeginAck(FirstHandle(held));
  const auto moved = StartReset(kToEarliest);
  h.store().StepFail(absl::UnavailableError("no room"));
  EXPECT_FALSE(moved->value().ok());
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("b"));
  EXPECT_EQ(h.Ack({FirstHandle(held)}).status().code(), v2::OK);
}

TEST_F(PositionMovesTest, ABusyDiskRefusesALookUpByTime) {
  h.Send("a");
  h.store().RefuseColdJobs(true);
  EXPECT_TRUE(absl::IsResourceExhausted(Reset({ResetPoint::Kind::kTime, 0})));
}

TEST_F(PositionMovesTest, AMoveSurvivesARestart) {
  for (const bool from_checkpoint : {false, true}) {
    SCOPED_TRACE(from_checkpoint);
    h.Send("a");
    h.Receive();
    ASSERT_TRUE(Reset(kToLatest).ok());
    h.Restart(from_checkpoint);
    h.Advance(absl::Hours(1));
    EXPECT_FALSE(h.Receive()->finished());
    const auto described = h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup));
    ASSERT_THAT(described, SizeIs(1));
    EXPECT_EQ(described[0].cursor, described[0].next);
    EXPECT_EQ(described[0].leased, 0u);
  }
}

TEST_F(PositionMovesTest, APausedGroupGetsNothingUntilItIsResumed) {
  h.Send("a");
  const ReceiveCall held = h.Receive();
  SetPaused(true);
  h.Send("b");
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  EXPECT_EQ(h.Ack({FirstHandle(held)}).status().code(), v2::OK);
  SetPaused(false);
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("b"));
}

TEST_F(PositionMovesTest, AReceiveOfAPausedGroupEndsAfterItsPollingTime) {
  h.Send("a");
  SetPaused(true);
  const ReceiveCall parked = h.Receive();
  h.Advance(absl::Seconds(20));
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(Harness::StatusOf(parked), v2::MESSAGE_NOT_FOUND);
}

TEST_F(PositionMovesTest, AReceiveOfAPausedGroupEndsWithItsTopic) {
  h.Send("a");
  SetPaused(true);
  const ReceiveCall parked = h.Receive();
  EXPECT_FALSE(parked->finished());
  h.life().metadata.DeleteTopic(kTopic, [](const absl::StatusOr<TopicPtr>&) {});
  h.store().Run();
  ASSERT_TRUE(parked->finished());
  EXPECT_EQ(Harness::StatusOf(parked), v2::TOPIC_NOT_FOUND);
}

// The record of a position that is on its way may come into the log behind the deletion of its
// group or topic.
TEST_F(PositionMovesTest, APositionThatComesBehindTheDeletionOfItsGroupIsNone) {
  h.Send("a");
  const GroupPtr group = h.life().metadata.FindGroup(kGroup);
  const TopicPtr topic = h.life().metadata.FindTopic(kTopic);
  h.life().metadata.DeleteGroup(kGroup, [](const absl::StatusOr<GroupPtr>&) {});
  absl::Status told;
  h.life().consumption->SetPosition(group, "client-1", topic, {0, 1},
                                    [&told](const absl::Status& status) { told = status; });
  h.store().Run();
  EXPECT_EQ(CodeOf(told), v2::CONSUMER_GROUP_NOT_FOUND);
  const auto state = [this] {
    return static_cast<ConsumptionState*>(h.life().consumption->features()[1]);
  };
  EXPECT_EQ(state()->Find(group->id), nullptr);
  for (const bool from_checkpoint : {false, true}) {
    h.Restart(from_checkpoint);
    EXPECT_EQ(state()->Find(group->id), nullptr);
  }
}

TEST_F(PositionMovesTest, APositionThatComesBehindTheDeletionOfItsTopicIsNone) {
  const GroupPtr group = h.life().metadata.FindGroup(kGroup);
  const TopicPtr topic = h.life().metadata.FindTopic(kTopic);
  h.life().metadata.DeleteTopic(kTopic, [](const absl::StatusOr<TopicPtr>&) {});
  absl::Status told;
  h.life().consumption->SetPosition(group, "client-1", topic, {0, 0},
                                    [&told](const absl::Status& status) { told = status; });
  h.store().Run();
  EXPECT_EQ(CodeOf(told), v2::TOPIC_NOT_FOUND);
  const auto state = static_cast<ConsumptionState*>(h.life().consumption->features()[1]);
  const GroupProgressPtr progress = state->Find(group->id);
  ASSERT_NE(progress, nullptr);
  MutexLock lock(&progress->mutex);
  EXPECT_FALSE(progress->topics.contains(topic->id));
}

TEST_F(PositionMovesTest, APauseSurvivesARestart) {
  SetPaused(true);
  for (const bool from_checkpoint : {false, true}) {
    h.Restart(from_checkpoint);
    EXPECT_TRUE(h.life().metadata.IsPaused(kGroup));
  }
  SetPaused(false);
  EXPECT_FALSE(h.life().metadata.IsPaused(kGroup));
}

TEST_F(PositionMovesTest, PausingAnUnknownGroupIsRefused) {
  absl::Status status;
  h.life().metadata.SetPaused("nobody", true, [&status](const absl::StatusOr<GroupPtr>& group) {
    status = group.status();
  });
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_FALSE(h.life().metadata.IsPaused("nobody"));
}

}  // namespace
}  // namespace mansio::broker
