#include "broker/consumption/redelivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kDlq[] = "%DLQ%workers";

class RedeliveryTest : public testing::Test {
 protected:
  void Begin(uint32_t max_attempts = 17, uint32_t queues = 1, ConsumptionOptions options = {}) {
    h_ = std::make_unique<Harness>(std::move(options));
    h_->CreateTopic(queues);
    h_->CreateGroup(StartPolicy::kEarliest, kGroup, max_attempts);
    h_->CreateGroup(StartPolicy::kEarliest, "undertaker");
  }
  // What a receive gets, lapsing at once.
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_->Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  std::vector<v2::Message> DeadLetters() { return Get({.group = "undertaker", .topic = kDlq}); }
  std::vector<std::string> DeadLettersOf(const std::string& group, int batch) {
    std::vector<std::string> bodies;
    for (const v2::Message& m : Get({.group = group, .topic = kDlq, .batch = batch})) {
      bodies.push_back(m.body());
    }
    return bodies;
  }
  static const std::string& HandleOf(const v2::Message& m) {
    return m.system_properties().receipt_handle();
  }
  std::unique_ptr<Harness> h_;
};

TEST_F(RedeliveryTest, ARetryLooksLikeTheMessageThatWasSent) {
  Begin(17, 3);
  h_->Send("first", 2, "red");
  h_->Send("second", 2, "red");
  auto sent = Get();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(h_->Ack({HandleOf(sent[0])}).status().code(), v2::OK);
  h_->Advance(absl::Seconds(31));
  EXPECT_NE(h_->life().metadata.FindTopic("%RETRY%workers"), nullptr);
  const auto again = Get();
  ASSERT_EQ(again.size(), 1u);
  const v2::SystemProperties& system = again[0].system_properties();
  EXPECT_EQ(again[0].topic().name(), kTopic);
  EXPECT_EQ(again[0].body(), "second");
  EXPECT_EQ(system.message_id(), "second");
  EXPECT_EQ(system.tag(), "red");
  EXPECT_EQ(system.delivery_attempt(), 2);
  EXPECT_EQ(system.queue_id(), 2);
  EXPECT_EQ(system.queue_offset(), 1);
  EXPECT_EQ(system.store_timestamp().seconds(),
            sent[1].system_properties().store_timestamp().seconds());
  EXPECT_EQ(h_->Ack({HandleOf(sent[1])}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(h_->Ack({HandleOf(again[0])}).status().code(), v2::OK);
  h_->Advance(absl::Hours(1));
  EXPECT_THAT(Get(), IsEmpty());
}

TEST_F(RedeliveryTest, AMessageIsDeadAfterExactlyItsAttempts) {
  Begin(3);
  h_->Send("poison");
  const int64_t before = h_->life().time.NowMillis();
  for (int attempt = 1; attempt <= 3; ++attempt) {
    const auto got = Get();
    ASSERT_EQ(got.size(), 1u) << attempt;
    EXPECT_EQ(got[0].system_properties().delivery_attempt(), attempt);
    h_->Advance(absl::Seconds(31));
  }
  EXPECT_THAT(Get(), IsEmpty());
  const auto dead = DeadLetters();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].body(), "poison");
  EXPECT_EQ(dead[0].topic().name(), kDlq);
  EXPECT_EQ(dead[0].system_properties().delivery_attempt(), 1);
  EXPECT_EQ(dead[0].system_properties().dead_letter_queue().topic(), kTopic);
  EXPECT_EQ(dead[0].system_properties().dead_letter_queue().message_id(), "poison");
  EXPECT_GE(h_->life().time.NowMillis() - before, 93000);
}

TEST_F(RedeliveryTest, ADeadLetterThatIsRetriedKeepsItsOrigin) {
  Begin(1);
  h_->Send("poison");
  Get();
  h_->Advance(absl::Seconds(31));
  ASSERT_EQ(DeadLetters().size(), 1u);
  h_->Advance(absl::Seconds(31));
  const auto again = DeadLetters();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
  EXPECT_EQ(again[0].topic().name(), kDlq);
  EXPECT_EQ(again[0].system_properties().dead_letter_queue().topic(), kTopic);
}

TEST_F(RedeliveryTest, ForwardingIsIdempotent) {
  Begin();
  h_->Send("bad");
  h_->Send("good");
  const auto got = Get();
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(h_->Forward(HandleOf(got[0])), v2::OK);
  EXPECT_EQ(h_->Forward(HandleOf(got[0])), v2::OK);
  EXPECT_EQ(h_->Ack({HandleOf(got[0])}).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(h_->Ack({HandleOf(got[1])}).status().code(), v2::OK);
  EXPECT_EQ(h_->Forward(HandleOf(got[1])), v2::OK) << "acknowledged: nothing to do";
  EXPECT_EQ(h_->Forward("garbage"), v2::INVALID_RECEIPT_HANDLE);
  const auto dead = DeadLetters();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].body(), "bad");
  h_->Advance(absl::Hours(1));
  EXPECT_THAT(Get(), IsEmpty());
}

TEST_F(RedeliveryTest, AForwardThatCannotBeLoggedLeavesTheLease) {
  Begin();
  h_->Send("bad");
  const auto got = Get();
  h_->store().RefuseSubmits(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(h_->Forward(HandleOf(got[0])), v2::TOO_MANY_REQUESTS);
  h_->store().RefuseSubmits(absl::OkStatus());
  EXPECT_EQ(h_->Forward(HandleOf(got[0])), v2::OK);
  EXPECT_EQ(DeadLetters().size(), 1u);
}

TEST_F(RedeliveryTest, AForwardThatFailsLeavesAnAckThatIsOnItsWayAlone) {
  Begin();
  h_->Send("m");
  const auto got = Get();
  ASSERT_EQ(got.size(), 1u);
  h_->store().SetHot(false, false);
  h_->store().FailReads({h_->life().metadata.FindTopic(kTopic)->id, 0}, 0,
                        absl::DataLossError("bad checksum"));
  h_->store().HoldColdJobs(true);
  const auto forward = h_->BeginForward(HandleOf(got[0]));
  const auto ack = h_->BeginAck(HandleOf(got[0]));
  h_->store().RunColdJobs();
  const auto second = h_->BeginAck(HandleOf(got[0]));
  h_->Settle();
  EXPECT_TRUE(forward->finished());
  const auto code = [](const auto& call) {
    return call->template Response<v2::AckMessageResponse>().status().code();
  };
  EXPECT_EQ(code(ack), v2::OK);
  EXPECT_EQ(code(second), v2::INVALID_RECEIPT_HANDLE) << "the first ack has decided";
}

TEST_F(RedeliveryTest, AMoveThatIsRefusedIsTriedAgain) {
  Begin();
  h_->Send("m");
  Get();
  h_->store().RefuseSubmits(absl::ResourceExhaustedError("full"));
  h_->Advance(absl::Seconds(30));
  h_->store().RefuseSubmits(absl::OkStatus());
  EXPECT_THAT(Get(), IsEmpty());
  h_->Advance(absl::Seconds(1));
  ASSERT_EQ(Get().size(), 1u);
}

TEST_F(RedeliveryTest, RetriesAndAttemptsSurviveARestart) {
  for (const bool checkpoint : {false, true}) {
    SCOPED_TRACE(checkpoint);
    Begin(3);
    h_->Send("m");
    Get();
    h_->Advance(absl::Seconds(31));
    h_->Restart(checkpoint);
    auto got = Get();
    ASSERT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].system_properties().delivery_attempt(), 2);
    h_->Restart(checkpoint);
    EXPECT_EQ(h_->Ack({HandleOf(got[0])}).status().code(), v2::OK);
  }
}

TEST_F(RedeliveryTest, ARenewedLeaseGetsTheGroupsBackOffInTheEnd) {
  Begin();
  h_->Send("m");
  ASSERT_EQ(Get({.auto_renew = true}).size(), 1u);
  for (int minute = 0; minute < 180; ++minute) {
    ASSERT_TRUE(h_->life().clients.Touch("client-1").ok());
    h_->Advance(absl::Minutes(1));
  }
  EXPECT_THAT(Get(), IsEmpty()) << "the first wait of the default list is one second";
  h_->Advance(absl::Seconds(1));
  const auto again = Get();
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].system_properties().delivery_attempt(), 2);
}

TEST_F(RedeliveryTest, NeitherRetriesNorNewMessagesStarve) {
  Begin();
  for (int i = 0; i < 40; ++i) h_->Send("old");
  Get({.batch = 32});
  Get({.batch = 32});
  h_->Advance(absl::Seconds(31));
  for (int i = 0; i < 40; ++i) h_->Send("new");
  int retries = 0;
  for (int i = 0; i < 40; ++i) {
    const auto got = Get({.batch = 1});
    ASSERT_EQ(got.size(), 1u);
    retries += got[0].body() == "old";
  }
  EXPECT_EQ(retries, 10);
}

TEST_F(RedeliveryTest, MoreThanOneFrameOfExpiriesAtOnce) {
  Begin();
  for (int i = 0; i < 200; ++i) h_->Send(std::to_string(i));
  for (int i = 0; i < 7; ++i) Get({.batch = 32});
  h_->Advance(absl::Seconds(31));
  size_t again = 0;
  for (int i = 0; i < 8; ++i) again += Get({.batch = 32}).size();
  EXPECT_EQ(again, 200u);
}

TEST_F(RedeliveryTest, ColdMessagesMoveToo) {
  Begin();
  h_->Send("m");
  Get();
  h_->store().SetHot(false, false);
  h_->Advance(absl::Seconds(31));
  EXPECT_EQ(Get().size(), 1u);
}

TEST_F(RedeliveryTest, WhatRetentionHasTakenIsNotRetried) {
  Begin();
  h_->Send("m");
  ASSERT_EQ(Get().size(), 1u);
  h_->store().SetHot(false, false);
  h_->store().TrimQueue({h_->life().metadata.FindTopic(kTopic)->id, 0}, 1);
  h_->Advance(absl::Seconds(31));
  EXPECT_EQ(h_->life().metadata.FindTopic("%RETRY%workers"), nullptr);
  const auto queues = h_->life().consumption->Describe(*h_->life().metadata.FindGroup(kGroup));
  ASSERT_EQ(queues.size(), 1u);
  EXPECT_EQ(queues[0].leased, 0u);
  EXPECT_EQ(queues[0].ready, 0u);
}

TEST_F(RedeliveryTest, AReceiveOfADeadClientTakesNothing) {
  Begin();
  const ReceiveCall dead = h_->Receive({.auto_renew = true, .client = "dead"});
  const ReceiveCall waiting = h_->Receive({.client = "living"});
  ASSERT_FALSE(dead->finished());
  h_->life().clients.Terminate("dead");
  h_->Send("m");
  EXPECT_EQ(Harness::StatusOf(dead), v2::MESSAGE_NOT_FOUND);
  EXPECT_THAT(Harness::Bodies(waiting), ElementsAre("m"));
}

TEST_F(RedeliveryTest, ALeaseThatIsNotDurableYetEndsWithItsClient) {
  Begin();
  h_->Send("m");
  h_->life().methods.server_stream[0].handler(*h_->NewReceive({.auto_renew = true}));
  h_->store().StepAppend();
  h_->life().clients.Terminate("client-1");
  h_->Settle();
  EXPECT_EQ(Get().size(), 1u);
}

// A call that learns late that its client has gone.
class LateCall : public rpc::testing::FakeServerStreamCall {
 public:
  using FakeServerStreamCall::FakeServerStreamCall;
  void Finish(std::vector<rpc::Payload> elements,
              absl::AnyInvocable<void(bool written)> done) override {
    FakeServerStreamCall::Finish(std::move(elements), [](bool) {});
    done_ = std::move(done);
  }
  void NotWritten() { std::exchange(done_, nullptr)(false); }

 private:
  absl::AnyInvocable<void(bool)> done_;
};

TEST_F(RedeliveryTest, WhatIsAnothersMeanwhileIsNotGivenBack) {
  Begin();
  GroupRecord fifo;
  fifo.name = "in-order";
  fifo.fifo = true;
  fifo.start = StartPolicy::kEarliest;
  h_->life().metadata.CreateGroup(fifo, [](absl::StatusOr<GroupPtr>) {});
  h_->Settle();
  h_->Send("m");
  const ReceiveArguments arguments{.group = "in-order"};
  LateCall late(Harness::RequestOf(arguments), Harness::Headers("client-1"));
  h_->life().methods.server_stream[0].handler(late);
  h_->Settle();
  h_->Advance(absl::Seconds(31));
  const auto got = Get(arguments);
  ASSERT_EQ(got.size(), 1u);
  late.NotWritten();
  h_->Settle();
  EXPECT_THAT(Get(arguments), IsEmpty());
  EXPECT_EQ(h_->Ack({HandleOf(got[0])}, "in-order").status().code(), v2::OK);
}

TEST_F(RedeliveryTest, WhatIsToBeRetriedGoesWithItsTopicAndItsGroup) {
  Begin();
  h_->Send("m");
  Get();
  h_->Advance(absl::Seconds(31));
  ASSERT_EQ(Get().size(), 1u);
  h_->life().metadata.DeleteTopic(kTopic, [](absl::StatusOr<TopicPtr>) {});
  h_->Settle();
  EXPECT_THAT(h_->life().consumption->Describe(*h_->life().metadata.FindGroup(kGroup)), IsEmpty());
  h_->CreateTopic();
  h_->Advance(absl::Seconds(31));
  EXPECT_THAT(Get(), IsEmpty());
  h_->life().metadata.DeleteGroup(kGroup, [](absl::StatusOr<GroupPtr>) {});
  h_->Settle();
  EXPECT_EQ(h_->life().metadata.FindTopic("%RETRY%workers"), nullptr);
  h_->Restart(true);
  EXPECT_THAT(Get(), IsEmpty());
}

// They outlive their segment; a group that consumes them gets them all the same.
TEST_F(RedeliveryTest, DeadLettersThatWereCarriedForwardAreReceived) {
  Begin(1);
  for (const char* body : {"a", "b", "c", "d"}) h_->Send(body);
  ASSERT_EQ(Get().size(), 4u);
  h_->Advance(absl::Seconds(31));
  EXPECT_EQ(DeadLettersOf("undertaker", 1), std::vector<std::string>{"a"});
  const store::QueueKey letters{h_->life().metadata.FindTopic(kDlq)->id, 0};
  h_->CreateGroup(StartPolicy::kEarliest, "others");
  h_->store().CarryAndTrimQueue(letters, 3);
  EXPECT_THAT(DeadLettersOf("undertaker", 1), ElementsAre("b"));
  EXPECT_THAT(DeadLettersOf("undertaker", 32), ElementsAre("c", "d"));
  EXPECT_THAT(DeadLettersOf("others", 32), ElementsAre("a", "b", "c", "d"));
  h_->store().SetHot(false, false);
  h_->CreateGroup(StartPolicy::kEarliest, "cold");
  EXPECT_THAT(DeadLettersOf("cold", 32), ElementsAre("a", "b", "c"));
  EXPECT_THAT(DeadLettersOf("cold", 32), ElementsAre("d"));
}

TEST_F(RedeliveryTest, AFifoGroupLooksAtSomeCarriedDeadLettersAtATime) {
  Begin(1);
  const std::vector<std::string> bodies(6'000, "m");
  for (const std::string& body : bodies) h_->Send(body);
  for (size_t i = 0; i < bodies.size(); i += 32) ASSERT_FALSE(Get().empty());
  h_->Advance(absl::Seconds(31));
  const store::QueueKey letters{h_->life().metadata.FindTopic(kDlq)->id, 0};
  ASSERT_EQ(h_->store().Range(letters).next, bodies.size());
  h_->store().CarryAndTrimQueue(letters, bodies.size() - 1);
  h_->CreateGroup(StartPolicy::kEarliest, "others", 17, true);
  EXPECT_EQ(DeadLettersOf("others", 1).size(), 1u);
  const auto state = static_cast<ConsumptionState*>(h_->life().consumption->features()[1]);
  const auto progress = state->Find(h_->life().metadata.FindGroup("others")->id);
  MutexLock lock(&progress->mutex);
  EXPECT_LE(progress->Queue(letters)->waiting(), QueueProgress::kLookAhead);
}

TEST_F(RedeliveryTest, NobodyReceivesFromARetryTopic) {
  Begin();
  h_->Send("m");
  Get();
  h_->Advance(absl::Seconds(31));
  const ReceiveCall call = h_->Receive({.group = "undertaker", .topic = "%RETRY%workers"});
  EXPECT_EQ(Harness::StatusOf(call), v2::TOPIC_NOT_FOUND);
}

TEST_F(RedeliveryTest, BehindTheLastAttemptThereIsNothingToWaitFor) {
  Begin(2);
  h_->Send("poison");
  const ReceiveArguments renewed = {.auto_renew = true};
  EXPECT_EQ(h_->Change(HandleOf(Get(renewed).at(0)), absl::Seconds(1)).status().code(), v2::OK);
  EXPECT_THAT(DeadLetters(), IsEmpty()) << "another attempt is left";
  h_->Advance(absl::Seconds(1));
  const auto last = Get(renewed);
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0].system_properties().delivery_attempt(), 2);
  EXPECT_EQ(h_->Change(HandleOf(last[0]), absl::Hours(1)).status().code(), v2::OK);
  const auto dead = DeadLetters();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].body(), "poison");
  EXPECT_THAT(Get(), IsEmpty());
}

TEST_F(RedeliveryTest, WhoChoseTheTimeOfItsLeaseMayWantMoreOfItAtTheLastAttemptToo) {
  Begin(1);
  h_->Send("slow");
  const auto first = Get({.invisible = absl::Seconds(10)});
  const auto longer = h_->Change(HandleOf(first.at(0)), absl::Seconds(60));
  h_->Advance(absl::Seconds(59));
  EXPECT_THAT(DeadLetters(), IsEmpty());
  EXPECT_EQ(h_->Ack({longer.receipt_handle()}).status().code(), v2::OK);
  h_->Advance(absl::Hours(1));
  EXPECT_THAT(DeadLetters(), IsEmpty());
}

TEST_F(RedeliveryTest, WhatEndsTogetherFitsSegmentsHoweverSmall) {
  Begin();
  h_->store().SetMaxAppendBytes(1u << 20);
  for (int i = 0; i < 64; ++i) h_->Send(std::string(32u << 10, 'x'));
  EXPECT_EQ(Get().size() + Get().size(), 64u);
  h_->Advance(absl::Seconds(31));
  EXPECT_EQ(Get().size() + Get().size(), 64u);
}

TEST_F(RedeliveryTest, WhatDoesNotFitASegmentAnyMoreComesAgainInPlace) {
  Begin();
  for (const char c : {'a', 'b', 'c'}) h_->Send(std::string(c == 'b' ? 200u << 10 : 10, c));
  EXPECT_EQ(Get().size(), 3u);
  h_->store().SetMaxAppendBytes(100u << 10);  // segments are smaller since a restart
  h_->Advance(absl::Seconds(31));
  const auto again = Get();
  ASSERT_EQ(again.size(), 3u);
  for (const v2::Message& m : again) EXPECT_EQ(m.system_properties().delivery_attempt(), 2);
}

TEST_F(RedeliveryTest, WhatWaitsForItsNextAttemptIsCounted) {
  Begin();
  for (const char* body : {"a", "b", "c"}) h_->Send(body);
  const auto got = Get();
  ASSERT_EQ(got.size(), 3u);
  h_->Change(HandleOf(got[0]), absl::Seconds(60));
  const auto second = h_->Change(HandleOf(got[1]), absl::Seconds(60));
  const auto counts = [this] {
    const auto queues = h_->life().consumption->Describe(*h_->life().metadata.FindGroup(kGroup));
    return std::pair(queues.at(0).leased, queues.at(0).backing_off);
  };
  EXPECT_EQ(counts(), std::pair(uint64_t{3}, uint64_t{2}));
  EXPECT_EQ(h_->Ack({second.receipt_handle()}).status().code(), v2::OK);
  EXPECT_EQ(counts(), std::pair(uint64_t{2}, uint64_t{1}));
  h_->Restart(true);
  EXPECT_EQ(counts(), std::pair(uint64_t{2}, uint64_t{1}));
  h_->Advance(absl::Seconds(61));
  EXPECT_EQ(counts(), std::pair(uint64_t{0}, uint64_t{0}));
}

TEST_F(RedeliveryTest, DeadLettersThatWereCarriedForwardAreNotLost) {
  Begin(1);
  for (const char* body : {"a", "b", "c", "d"}) h_->Send(body);
  ASSERT_EQ(Get().size(), 4u);
  h_->Advance(absl::Seconds(31));
  EXPECT_EQ(DeadLettersOf("undertaker", 1), std::vector<std::string>{"a"});
  h_->store().CarryAndTrimQueue({h_->life().metadata.FindTopic(kDlq)->id, 0}, 3);
  const auto group = h_->life().metadata.FindGroup("undertaker");
  for (const v1::GroupExplanation& cause : h_->life().consumption->Explain(*group, true)) {
    EXPECT_NE(cause.cause(), v1::GROUP_CAUSE_BEHIND_RETENTION) << cause.text();
  }
  EXPECT_EQ(h_->life().consumption->Describe(*group).at(0).ready, 3u);
}

}  // namespace
}  // namespace mansio::broker
