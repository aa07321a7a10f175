#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/consumption/consumption_state.h"
#include "tests/broker/consumption/fifo_fixture.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class FifoTest : public FifoFixture {
 protected:
  void Begin(uint32_t max_attempts = 17) {
    h_ = std::make_unique<Harness>();
    h_->CreateTopic();
    h_->CreateGroup(StartPolicy::kEarliest, kGroup, max_attempts, true);
    h_->CreateGroup(StartPolicy::kEarliest, "undertaker");
  }
  void Ack(const v2::Message& m) {
    EXPECT_EQ(h_->Ack({m.system_properties().receipt_handle()}).status().code(), v2::OK)
        << m.body();
  }
};

TEST_F(FifoTest, AMessageGroupWaitsForItsBatchAndOthersGoOn) {
  Begin();
  Send("r0");
  Send("r1");
  Send("r2");
  Send("b0", "blue");
  Send("r3");
  Send("b1", "blue");
  const auto red = Get({.batch = 2});
  EXPECT_THAT(Bodies(red), ElementsAre("r0", "r1"));
  const auto blue = Get();
  EXPECT_THAT(Bodies(blue), ElementsAre("b0", "b1"));
  EXPECT_THAT(Get(), IsEmpty());
  Ack(red[0]);
  EXPECT_THAT(Get(), IsEmpty()) << "the other half of the batch is missing";
  const ReceiveCall parked = h_->Receive();
  Ack(red[1]);
  ASSERT_TRUE(parked->finished()) << "the ack wakes who waits";
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("r2", "r3"));
}

TEST_F(FifoTest, MessagesWithoutAGroupAreOneGroup) {
  Begin();
  Send("0", "");
  Send("1", "");
  const auto first = Get({.batch = 1});
  EXPECT_THAT(Bodies(first), ElementsAre("0"));
  EXPECT_THAT(Get(), IsEmpty());
  Ack(first[0]);
  EXPECT_THAT(Bodies(Get()), ElementsAre("1"));
}

// What the end-to-end tests of the SDKs do.
TEST_F(FifoTest, AckedSuccessorsComeAgainWithTheirHead) {
  Begin();
  for (int i = 0; i < 20; ++i) Send(std::to_string(i));
  for (int round = 1; round <= 3; ++round) {
    const auto batch = Get({.batch = 3, .invisible = absl::Seconds(10)});
    EXPECT_THAT(Bodies(batch), ElementsAre("0", "1", "2"));
    EXPECT_THAT(Attempts(batch), ElementsAre(round, round, round));
    EXPECT_THAT(Get({.batch = 3}), IsEmpty());
    Ack(batch[1]);
    Ack(batch[2]);
    h_->Advance(absl::Seconds(11));
  }
}

TEST_F(FifoTest, APoisonedHeadDiesAndItsGroupGoesOn) {
  Begin(3);
  Send("poison");
  Send("r1");
  Send("r2");
  Send("r3");
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto batch = Get({.batch = 3});
    ASSERT_THAT(Bodies(batch), ElementsAre("poison", "r1", "r2"));
    EXPECT_THAT(Attempts(batch), ElementsAre(attempt, attempt, attempt));
    Ack(batch[1]);
    h_->Advance(absl::Seconds(31));
  }
  EXPECT_THAT(DeadLetters(), ElementsAre("poison"));
  const auto rest = Get();
  EXPECT_THAT(Bodies(rest), ElementsAre("r2", "r3")) << "the ack of r1 counts";
  EXPECT_THAT(Attempts(rest), ElementsAre(4, 1)) << "r2 had no turn as the first before";
  for (const v2::Message& m : rest) Ack(m);
  h_->Advance(absl::Hours(1));
  EXPECT_THAT(Get(), IsEmpty());
  EXPECT_THAT(DeadLetters(), ElementsAre("poison")) << "and nothing else";
}

TEST_F(FifoTest, AForwardedMessageIsFinishedWhereverItStands) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  const auto batch = Get();
  EXPECT_EQ(h_->Forward(batch[1].system_properties().receipt_handle()), v2::OK);
  EXPECT_THAT(DeadLetters(), ElementsAre("r1"));
  h_->Advance(absl::Seconds(31));
  const auto again = Get();
  EXPECT_THAT(Bodies(again), ElementsAre("r0", "r2"));
  EXPECT_EQ(h_->Forward(again[0].system_properties().receipt_handle()), v2::OK);
  Ack(again[1]);
  h_->Advance(absl::Hours(1));
  EXPECT_THAT(Get(), IsEmpty());
}

TEST_F(FifoTest, ANewDeadlineOfTheHeadIsThatOfTheBatch) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  const auto batch = Get();
  const auto changed = h_->Change(batch[0].system_properties().receipt_handle(), absl::Minutes(10));
  ASSERT_EQ(changed.status().code(), v2::OK);
  h_->Advance(absl::Minutes(9));
  EXPECT_THAT(Get(), IsEmpty());
  ASSERT_EQ(h_->Change(changed.receipt_handle(), absl::ZeroDuration()).status().code(), v2::OK);
  h_->Advance(absl::Milliseconds(1));
  EXPECT_THAT(Bodies(Get()), ElementsAre("r0", "r1"));
}

TEST_F(FifoTest, TheSameAttemptIdGetsTheSameBatchUncounted) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  const auto first = Get({.batch = 2, .auto_renew = true, .attempt_id = "a"});
  EXPECT_THAT(Bodies(first), ElementsAre("r0", "r1"));
  EXPECT_THAT(Get({.auto_renew = true, .attempt_id = "b"}), IsEmpty());
  EXPECT_THAT(Get({.auto_renew = true, .client = "client-2", .attempt_id = "a"}), IsEmpty());
  const auto again = Get({.batch = 2, .auto_renew = true, .attempt_id = "a"});
  EXPECT_THAT(Bodies(again), ElementsAre("r0", "r1"));
  EXPECT_THAT(Attempts(again), ElementsAre(1, 1));
  Ack(first[0]);
  h_->Restart();
  const auto rest = Get({.batch = 2, .auto_renew = true, .attempt_id = "a"});
  EXPECT_THAT(Bodies(rest), ElementsAre("r1"));
  Ack(again[1]);
  EXPECT_THAT(Bodies(Get({.auto_renew = true, .attempt_id = "a"})), ElementsAre("r2"));
}

TEST_F(FifoTest, OrderAndAttemptsSurviveARestart) {
  for (const bool checkpoint : {false, true}) {
    SCOPED_TRACE(checkpoint);
    Begin(3);
    for (const char* body : {"r0", "r1", "r2", "r3"}) Send(body);
    Send("b0", "blue");
    const auto batch = Get({.batch = 2});
    EXPECT_THAT(Bodies(Get()), ElementsAre("b0"));
    Ack(batch[1]);
    h_->Restart(checkpoint);
    EXPECT_THAT(Get(), IsEmpty());
    h_->Advance(absl::Seconds(31));
    const auto again = Get({.batch = 3});
    EXPECT_THAT(Bodies(again), ElementsAre("r0", "r1", "r2"));
    EXPECT_THAT(Attempts(again), ElementsAre(2, 2, 1));
    h_->Restart(checkpoint);
    Ack(again[0]);
    Ack(again[1]);
    h_->Restart(checkpoint);
    EXPECT_THAT(Bodies(Get()), ElementsAre("b0")) << "r2 is leased, r3 waits for it";
    Ack(again[2]);
    EXPECT_THAT(Bodies(Get()), ElementsAre("r3"));
  }
}

TEST_F(FifoTest, ACancelledReceiveGivesItsBatchBackUncounted) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  h_->store().HoldColdJobs(true);
  h_->store().SetHot(true, false);  // the bodies have to be read from disk
  const ReceiveCall call = h_->Receive({.batch = 2});
  call->Cancel();
  h_->store().RunColdJobs();
  h_->Settle();
  h_->store().SetHot(true, true);
  const auto batch = Get();
  EXPECT_THAT(Bodies(batch), ElementsAre("r0", "r1", "r2"));
  EXPECT_THAT(Attempts(batch), ElementsAre(1, 1, 1));
}

TEST_F(FifoTest, TheBatchOfADeadClientComesAgain) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  const auto batch = Get({.batch = 2, .auto_renew = true});
  h_->life().consumption->observer()->OnClientDead(
      {.id = "client-1", .role = gateway::ClientRole::kPushConsumer});
  h_->Settle();
  const auto again = Get({.client = "client-2"});
  EXPECT_THAT(Bodies(again), ElementsAre("r0", "r1", "r2"));
  EXPECT_THAT(Attempts(again), ElementsAre(2, 2, 1));
}

TEST_F(FifoTest, ARenewedBatchGetsTheGroupsBackOffInTheEnd) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  ASSERT_EQ(Get({.auto_renew = true}).size(), 2u);
  for (int minute = 0; minute < 180; ++minute) {
    ASSERT_TRUE(h_->life().clients.Touch("client-1").ok());
    h_->Advance(absl::Minutes(1));
  }
  EXPECT_THAT(Get(), IsEmpty()) << "the first wait of the default list is one second";
  h_->Advance(absl::Seconds(1));
  EXPECT_THAT(Attempts(Get()), ElementsAre(2, 2));
}

TEST_F(FifoTest, WhatTheFilterDoesNotWantHoldsNobodyUp) {
  Begin();
  h_->Send("r0", 0, "x", {}, "red");
  h_->Send("unwanted", 0, "y", {}, "red");
  h_->Send("r1", 0, "x", {}, "red");
  const auto batch = Get({.batch = 1, .filter = "x"});
  EXPECT_THAT(Bodies(batch), ElementsAre("r0"));
  Ack(batch[0]);
  const auto next = Get({.filter = "x"});
  EXPECT_THAT(Bodies(next), ElementsAre("r1"));
}

TEST_F(FifoTest, AMessageThatWaitedAndIsNotWantedAnyMoreIsPassedOver) {
  Begin();
  h_->Send("r0", 0, "x", {}, "red");
  h_->Send("r1", 0, "y", {}, "red");
  h_->Send("r2", 0, "x", {}, "red");
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Get(), IsEmpty());  // looks at r1 and r2, which wait
  Ack(batch[0]);
  EXPECT_THAT(Bodies(Get({.filter = "x"})), ElementsAre("r2"));
}

TEST_F(FifoTest, RetentionTakesWhatWaits) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  Send("b0", "blue");
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Bodies(Get()), ElementsAre("b0"));
  h_->store().TrimQueue({h_->life().metadata.FindTopic(kTopic)->id, 0}, 2);
  Ack(batch[0]);
  EXPECT_THAT(Bodies(Get()), ElementsAre("r2"));
}

// Only what is handed out outlives its segment: a lease of what retention is taking could not come
// again.
TEST_F(FifoTest, WhatWaitsBelowTheQueuesBeginningIsMissed) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  Send("b0", "blue");
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Bodies(Get()), ElementsAre("b0"));
  const TopicPtr topic = h_->life().metadata.FindTopic(kTopic);
  h_->store().AnnounceMin({topic->id, 0}, 2);
  Ack(batch[0]);
  EXPECT_THAT(Get(), IsEmpty()) << "retention is about to take r1";
  h_->store().CarryAndTrimQueue({topic->id, 0}, 2);
  EXPECT_THAT(Bodies(Get()), ElementsAre("r2"));
  const auto state = static_cast<ConsumptionState*>(h_->life().consumption->features()[1]);
  const auto progress = state->Find(h_->life().metadata.FindGroup(kGroup)->id);
  MutexLock lock(&progress->mutex);
  EXPECT_EQ(progress->topics[topic->id].notes().missed, 1u);
}

TEST_F(FifoTest, ARetentionThatIsBrokenOffTakesNothingThatWaits) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  Send("b0", "blue");
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Bodies(Get()), ElementsAre("b0"));
  const store::QueueKey queue{h_->life().metadata.FindTopic(kTopic)->id, 0};
  h_->store().AnnounceMin(queue, 2);
  Ack(batch[0]);
  EXPECT_THAT(Get(), IsEmpty());
  h_->store().AnnounceMin(queue, 0);
  EXPECT_THAT(Bodies(Get()), ElementsAre("r1"));
}

TEST_F(FifoTest, ADeliveryThatIsTakenBackAfterItsMessageWasCarriedLosesNothing) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  h_->store().HoldColdJobs(true);
  h_->store().SetHot(true, false);  // the bodies have to be read from disk
  const ReceiveCall call = h_->Receive({.batch = 1});
  h_->store().CarryAndTrimQueue({h_->life().metadata.FindTopic(kTopic)->id, 0}, 1);
  call->Cancel();
  h_->store().RunColdJobs();
  h_->Settle();
  h_->store().SetHot(true, true);
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Bodies(batch), ElementsAre("r0"));
  EXPECT_THAT(Attempts(batch), ElementsAre(1));
}

TEST_F(FifoTest, ARefusedLeaseLosesNothing) {
  Begin();
  h_->life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
  h_->Settle();
  for (const char* body : {"r0", "r1"}) Send(body);
  h_->store().RefuseSubmits(absl::ResourceExhaustedError("the log is behind"));
  EXPECT_EQ(Harness::StatusOf(h_->Receive({.batch = 1})), v2::TOO_MANY_REQUESTS);
  h_->store().RefuseSubmits(absl::OkStatus());
  const auto batch = Get();
  EXPECT_THAT(Bodies(batch), ElementsAre("r0", "r1"));
  EXPECT_THAT(Attempts(batch), ElementsAre(1, 1));
}

TEST_F(FifoTest, WhatFailsOnItsWayIntoTheLogIsTakenBack) {
  Begin();
  Send("r0");
  const auto first = Get();
  Send("r1");
  Send("b0", "blue");
  const ReceiveCall failed = h_->Start({});  // passes r1, which waits, and takes b0
  h_->store().StepFail(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Harness::StatusOf(failed), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(Bodies(Get()), ElementsAre("b0"));
  Send("r2");
  const ReceiveCall parked = h_->Start({});  // passes r2 only
  h_->store().StepFail(absl::ResourceExhaustedError("full"));
  Ack(first[0]);
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("r1", "r2"));
  h_->Restart();
  h_->Advance(absl::Seconds(31));
  EXPECT_THAT(Bodies(Get()), UnorderedElementsAre("b0", "r1", "r2"));
}

TEST_F(FifoTest, AReceiveWhoseLookFailedLooksAgain) {
  Begin();
  Send("r0");
  const auto first = Get();
  Send("r1");
  const ReceiveCall parked = h_->Start({});  // passes r1
  h_->store().StepFail(absl::ResourceExhaustedError("full"));
  Ack(first[0]);
  EXPECT_FALSE(parked->finished()) << "nobody knows of r1";
  h_->Advance(absl::Seconds(1));
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("r1"));
}

TEST_F(FifoTest, AnEndThatFailsOnItsWayIsTriedAgain) {
  Begin();
  Send("r0");
  Send("r1");
  Get();
  h_->FailNext(absl::ResourceExhaustedError("full"));
  h_->Advance(absl::Seconds(30));
  h_->Advance(absl::Seconds(1));
  EXPECT_THAT(Attempts(Get()), ElementsAre(2, 2));
}

TEST_F(FifoTest, AnEndThatIsRefusedIsTriedAgain) {
  Begin();
  Send("r0");
  Get();
  h_->store().RefuseSubmits(absl::ResourceExhaustedError("full"));
  h_->Advance(absl::Seconds(30));
  h_->store().RefuseSubmits(absl::OkStatus());
  EXPECT_THAT(Get(), IsEmpty());
  h_->Advance(absl::Seconds(1));
  EXPECT_THAT(Attempts(Get()), ElementsAre(2));
}

TEST_F(FifoTest, ColdMessagesKeepTheirOrder) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  h_->store().SetHot(false, false);
  const auto batch = Get({.batch = 2});
  EXPECT_THAT(Bodies(batch), ElementsAre("r0", "r1"));
  h_->Advance(absl::Seconds(31));
  EXPECT_THAT(Bodies(Get({.batch = 2})), ElementsAre("r0", "r1"));
}

TEST_F(FifoTest, ADescriptionCountsWhatWaitsAsReady) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  Get({.batch = 1});
  EXPECT_THAT(Get(), IsEmpty());
  const auto described = h_->life().consumption->Describe(*h_->life().metadata.FindGroup(kGroup));
  ASSERT_EQ(described.size(), 1u);
  EXPECT_EQ(described[0].leased, 1u);
  EXPECT_EQ(described[0].ready, 2u);
}

}  // namespace
}  // namespace mansio::broker
