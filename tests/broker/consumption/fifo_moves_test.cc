#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/fifo_fixture.h"

// FIFO groups together with moves of their position, and with broadcast.
namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr ResetPoint kFifoToStart{};
constexpr ResetPoint kFifoToEnd{ResetPoint::Kind::kLatest, 0};
ResetPoint FifoToOffset(int64_t offset) { return {ResetPoint::Kind::kOffset, offset}; }

class FifoMovesTest : public FifoFixture {
 protected:
  void Begin(uint32_t max_attempts = 17, bool broadcast = false) {
    h_ = std::make_unique<Harness>();
    h_->CreateTopic();
    GroupRecord group;
    group.name = kGroup;
    group.fifo = true;
    group.broadcast = broadcast;
    group.max_attempts = max_attempts;
    group.start = StartPolicy::kEarliest;
    h_->life().metadata.CreateGroup(
        group, [](const absl::StatusOr<GroupPtr>& made) { EXPECT_TRUE(made.ok()); });
    h_->store().Run();
    h_->CreateGroup(StartPolicy::kEarliest, "undertaker");
  }
  static const std::string& Handle(const v2::Message& m) {
    return m.system_properties().receipt_handle();
  }
  v2::Code Ack(const v2::Message& m, const std::string& client = "client-1") {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name(kGroup);
    request.mutable_topic()->set_name(kTopic);
    request.add_entries()->set_receipt_handle(Handle(m));
    rpc::testing::FakeUnaryCall call(request.SerializeAsString(), Harness::Headers(client));
    h_->life().methods.unary[0].handler(call);
    h_->Settle();
    return call.Response<v2::AckMessageResponse>().status().code();
  }
  // Asks for a reset without letting the log do anything.
  std::shared_ptr<std::optional<absl::Status>> StartReset(ResetPoint to) {
    auto result = std::make_shared<std::optional<absl::Status>>();
    h_->life().consumption->Reset(h_->life().metadata.FindGroup(kGroup),
                                  h_->life().metadata.FindTopic(kTopic), to, std::nullopt,
                                  [result](const absl::Status& status) { *result = status; });
    return result;
  }
  void Reset(ResetPoint to) {
    const auto result = StartReset(to);
    h_->Settle();
    EXPECT_TRUE(result->has_value() && (*result)->ok());
  }
};

TEST_F(FifoMovesTest, ToTheStartAllComesAgainInOrderWithFreshAttempts) {
  Begin();
  for (const char* body : {"r0", "r1", "r2"}) Send(body);
  Send("b0", "blue");
  const auto before = Get({.batch = 2});
  EXPECT_EQ(Ack(before[1]), v2::OK);  // it does not count yet
  Reset(kFifoToStart);
  EXPECT_EQ(Ack(before[0]), v2::INVALID_RECEIPT_HANDLE);
  const auto batch = Get({.batch = 2});
  EXPECT_THAT(Bodies(batch), ElementsAre("r0", "r1"));
  EXPECT_THAT(Attempts(batch), ElementsAre(1, 1));
  EXPECT_THAT(Bodies(Get()), ElementsAre("b0")) << "r2 waits for its batch";
  h_->Advance(absl::Seconds(31));
  EXPECT_THAT(Attempts(Get({.batch = 2})), ElementsAre(2, 2)) << "the new batch has ended once";
}

TEST_F(FifoMovesTest, ToAnOffsetInsideABatchTheGroupBeginsThere) {
  Begin();
  for (const char* body : {"r0", "r1", "r2", "r3"}) Send(body);
  EXPECT_THAT(Get({.batch = 3}), SizeIs(3));
  Reset(FifoToOffset(1));
  const auto batch = Get({.batch = 1});
  EXPECT_THAT(Bodies(batch), ElementsAre("r1"));
  EXPECT_THAT(Get(), IsEmpty());
  EXPECT_EQ(Ack(batch[0]), v2::OK);
  EXPECT_THAT(Bodies(Get()), ElementsAre("r2", "r3"));
}

TEST_F(FifoMovesTest, ToTheEndNeitherWhatIsHeldNorWhatWaitsComes) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  Get({.batch = 1});
  EXPECT_THAT(Get(), IsEmpty());  // looks at r1, which waits
  Reset(kFifoToEnd);
  h_->Advance(absl::Minutes(1));
  EXPECT_THAT(Get(), IsEmpty());
  Send("r2");
  EXPECT_THAT(Bodies(Get()), ElementsAre("r2")) << "nobody holds its message group up";
}

TEST_F(FifoMovesTest, AMoveWakesWhoWaitsBehindABatch) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  Get({.batch = 1});
  const ReceiveCall parked = h_->Receive({.batch = 1});
  EXPECT_FALSE(parked->finished());
  Reset(kFifoToStart);
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("r0"));
}

TEST_F(FifoMovesTest, AnAttemptIdFromBeforeTheMoveHoldsNothing) {
  Begin();
  for (const char* body : {"r0", "r1"}) Send(body);
  const ReceiveArguments same{.batch = 1, .auto_renew = true, .attempt_id = "a"};
  EXPECT_THAT(Bodies(Get(same)), ElementsAre("r0"));
  Reset(FifoToOffset(1));
  EXPECT_THAT(Bodies(Get(same)), ElementsAre("r1"));
  EXPECT_THAT(Bodies(Get(same)), ElementsAre("r1")) << "which it holds now";
}

TEST_F(FifoMovesTest, AMovedGroupIsStillFifoAfterARestart) {
  for (const bool checkpoint : {false, true}) {
    SCOPED_TRACE(checkpoint);
    Begin();
    for (const char* body : {"r0", "r1", "r2"}) Send(body);
    Get();
    Reset(FifoToOffset(1));
    h_->Restart(checkpoint);
    const auto batch = Get({.batch = 1});
    EXPECT_THAT(Bodies(batch), ElementsAre("r1"));
    h_->Restart(checkpoint);
    EXPECT_THAT(Get(), IsEmpty());
    EXPECT_EQ(Ack(batch[0]), v2::OK);
    EXPECT_THAT(Bodies(Get()), ElementsAre("r2"));
  }
}

TEST_F(FifoMovesTest, WhatWasOnItsWayBeforeTheMoveChangesNothingBehindIt) {
  for (const std::string what : {"ack", "end", "dead letter", "receive"}) {
    SCOPED_TRACE(what);
    Begin(what == "dead letter" ? 1 : 17);
    for (const char* body : {"r0", "r1", "r2"}) Send(body);
    std::shared_ptr<rpc::testing::FakeUnaryCall> ack;
    if (what == "receive") {
      Get({.batch = 1, .filter = "nothing"});  // fixes the position
      Reset(kFifoToStart);
      h_->Start({.batch = 2});
    } else {
      const auto batch = Get({.batch = 2});
      h_->SetLag(true);
      if (what == "ack") ack = h_->BeginAck(Handle(batch[0]));
      h_->clock.Advance(absl::Seconds(31));
      while (h_->life().timers.RunDue() > 0) {
      }
    }
    const auto reset = StartReset(kFifoToStart);
    h_->SetLag(false);
    h_->Settle();
    ASSERT_TRUE(reset->has_value() && (*reset)->ok());
    const auto batch = Get({.batch = 2});
    EXPECT_THAT(Bodies(batch), ElementsAre("r0", "r1"));
    EXPECT_THAT(Attempts(batch), ElementsAre(1, 1));
    for (const v2::Message& m : batch) EXPECT_EQ(Ack(m), v2::OK);
    EXPECT_THAT(Bodies(Get()), ElementsAre("r2"));
  }
}

TEST_F(FifoMovesTest, AnEndAndAMoveThatFailTogetherLeaveTheBatchAsItWas) {
  for (const uint32_t max_attempts : {17u, 1u}) {
    SCOPED_TRACE(max_attempts);
    Begin(max_attempts);
    for (const char* body : {"r0", "r1"}) Send(body);
    if (max_attempts == 1) {  // the topic of dead letters is there
      Send("b0", "blue");
      Get({.batch = 3});
      h_->Advance(absl::Seconds(31));
      Reset(kFifoToStart);
    }
    Get({.batch = 2});
    h_->SetLag(true);
    h_->clock.Advance(absl::Seconds(31));
    while (h_->life().timers.RunDue() > 0) {
    }
    ASSERT_GT(h_->store().pending(), 0u) << "the end is not on its way";
    const auto reset = StartReset(kFifoToEnd);
    h_->store().StepFail(absl::ResourceExhaustedError("full"));
    h_->SetLag(false);
    h_->Settle();
    ASSERT_TRUE(reset->has_value());
    EXPECT_FALSE((*reset)->ok());
    h_->Advance(absl::Seconds(2));
    h_->Advance(absl::Seconds(2));
    const auto again = Get({.batch = 2});
    if (max_attempts == 1) {
      EXPECT_THAT(DeadLetters(), testing::Contains("r0"));
    } else {
      EXPECT_THAT(Bodies(again), ElementsAre("r0", "r1"));
      EXPECT_THAT(Attempts(again), ElementsAre(2, 2));
    }
  }
}

TEST_F(FifoMovesTest, EachClientOfABroadcastGroupHasTheOrderForItself) {
  Begin(17, true);
  for (const char* body : {"r0", "r1"}) Send(body);
  Send("b0", "blue");
  const auto one = Get({.batch = 1, .client = "one"});
  EXPECT_THAT(Bodies(one), ElementsAre("r0"));
  EXPECT_THAT(Bodies(Get({.client = "one"})), ElementsAre("b0")) << "r1 waits for r0";
  EXPECT_THAT(Bodies(Get({.client = "two"})), ElementsAre("r0", "r1", "b0"));
  EXPECT_EQ(Ack(one[0], "two"), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(Ack(one[0], "one"), v2::OK);
  EXPECT_THAT(Bodies(Get({.client = "one"})), ElementsAre("r1"));
}

TEST_F(FifoMovesTest, ABatchThatAClientOfABroadcastGroupLosesComesAgainToThatOne) {
  for (const bool checkpoint : {false, true}) {
    SCOPED_TRACE(checkpoint);
    Begin(17, true);
    for (const char* body : {"r0", "r1", "r2"}) Send(body);
    const auto one = Get({.batch = 2, .client = "one"});
    EXPECT_EQ(Ack(one[1], "one"), v2::OK);
    for (const v2::Message& m : Get({.client = "two"})) EXPECT_EQ(Ack(m, "two"), v2::OK);
    h_->Restart(checkpoint);
    EXPECT_THAT(Get({.client = "one"}), IsEmpty());
    h_->Advance(absl::Seconds(31));
    const auto again = Get({.batch = 2, .client = "one"});
    EXPECT_THAT(Bodies(again), ElementsAre("r0", "r1"));
    EXPECT_THAT(Attempts(again), ElementsAre(2, 2));
    EXPECT_THAT(Get({.client = "two"}), IsEmpty());
  }
}

TEST_F(FifoMovesTest, APoisonedMessageDiesForEachClientOfABroadcastGroup) {
  Begin(2, true);
  Send("poison");
  Send("r1");
  for (int attempt = 1; attempt <= 2; ++attempt) {
    EXPECT_THAT(Bodies(Get({.batch = 1, .client = "one"})), ElementsAre("poison"));
    h_->Advance(absl::Seconds(31));
  }
  EXPECT_THAT(Bodies(Get({.client = "one"})), ElementsAre("r1"));
  EXPECT_THAT(DeadLetters(), ElementsAre("poison"));
  const auto two = Get({.batch = 1, .client = "two"});
  EXPECT_THAT(Bodies(two), ElementsAre("poison")) << "the other client may be able to";
  EXPECT_EQ(Ack(two[0], "two"), v2::OK);
  EXPECT_THAT(DeadLetters(), IsEmpty());
}

TEST_F(FifoMovesTest, AResetOfABroadcastGroupMovesEveryClient) {
  Begin(17, true);
  for (const char* body : {"r0", "r1"}) Send(body);
  const auto one = Get({.batch = 1, .client = "one"});
  for (const v2::Message& m : Get({.client = "two"})) EXPECT_EQ(Ack(m, "two"), v2::OK);
  Reset(FifoToOffset(1));
  EXPECT_EQ(Ack(one[0], "one"), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_THAT(Bodies(Get({.client = "one"})), ElementsAre("r1"));
  EXPECT_THAT(Bodies(Get({.client = "two"})), ElementsAre("r1"));
  EXPECT_THAT(Bodies(Get({.client = "new"})), ElementsAre("r0", "r1")) << "its start policy";
}

}  // namespace
}  // namespace mansio::broker
