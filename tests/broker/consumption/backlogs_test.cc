#include "broker/consumption/backlogs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class BacklogsTest : public testing::Test {
 protected:
  void Begin(uint64_t max, Overflow overflow, uint32_t queues = 1, bool fifo = false) {
    h_.CreateTopic(queues);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, 17, fifo);
    Join(kGroup);
    Alter({.max_backlog = max, .overflow = overflow});
  }
  void Join(const std::string& group) {
    h_.life().consumption->observer()->OnSubscription("c", group, {kTopic});
    h_.store().Run();
  }
  void Alter(TopicChange change) {
    h_.life().metadata.AlterTopic(kTopic, change, [](const absl::StatusOr<TopicPtr>& altered) {
      EXPECT_TRUE(altered.ok()) << altered.status();
    });
    h_.store().Run();
  }
  void SendAll(const std::vector<std::string>& bodies) {
    for (const std::string& body : bodies) h_.Send(body);
  }
  // Time for the broker to look at what is too much.
  void Look() { h_.Advance(absl::Milliseconds(Backlogs::kLookMs)); }
  uint64_t Backlog() { return h_.life().metadata.FindTopic(kTopic)->backlog_now; }
  std::vector<v2::Message> Get(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_.Receive(a);
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  std::vector<std::string> Bodies(const ReceiveArguments& a = {}) {
    std::vector<std::string> bodies;
    for (const v2::Message& message : Get(a)) bodies.push_back(message.body());
    return bodies;
  }
  std::vector<v1::DeadLetter> DeadLetters() {
    const auto response = h_.ListDeadLetters();
    return {response.dead_letters().begin(), response.dead_letters().end()};
  }
  Harness h_;
};

TEST_F(BacklogsTest, TheSlowestGroupCounts) {
  Begin(3, Overflow::kRefuse, 2);
  h_.CreateGroup(StartPolicy::kEarliest, "slow");
  Join("slow");
  for (uint32_t i = 0; i < 4; ++i) h_.Send(std::to_string(i), i % 2);
  EXPECT_EQ(Backlog(), 4u);
  EXPECT_THAT(Get(), SizeIs(4));
  EXPECT_EQ(Backlog(), 4u) << "the other group has none of them";
  EXPECT_THAT(Get({.group = "slow", .batch = 3}), SizeIs(3));
  EXPECT_EQ(Backlog(), 1u);
  h_.life().metadata.DeleteGroup("slow", [](const auto&) {});
  h_.store().Run();
  EXPECT_EQ(Backlog(), 0u);
}

TEST_F(BacklogsTest, WhatAFilterPassesOverIsNoBacklogAlthoughNothingIsLogged) {
  Begin(2, Overflow::kRefuse);
  h_.Send("a", 0, "red");
  h_.Send("b", 0, "red");
  EXPECT_EQ(Backlog(), 2u);
  EXPECT_THAT(Get({.filter = "blue"}), IsEmpty());
  Look();
  EXPECT_EQ(Backlog(), 0u);
}

TEST_F(BacklogsTest, APositionThatNobodyAskedForIsNoBacklog) {
  Begin(2, Overflow::kRefuse);
  EXPECT_THAT(Get(), IsEmpty());
  SendAll({"a", "b", "c"});
  h_.life().metadata.DeleteGroup(kGroup, [](const auto&) {});
  h_.store().Run();
  EXPECT_EQ(Backlog(), 0u);
  SendAll({"d"});
  EXPECT_EQ(Backlog(), 0u) << "a topic without groups has no backlog";
}

TEST_F(BacklogsTest, TheOldestAreDropped) {
  Begin(3, Overflow::kDropOldest);
  h_.CreateGroup(StartPolicy::kEarliest, "fast");
  Join("fast");
  SendAll({"a"});
  const auto held = Get();
  ASSERT_THAT(held, SizeIs(1));
  SendAll({"b", "c", "d", "e", "f"});
  EXPECT_THAT(Get({.group = "fast", .batch = 4}), SizeIs(4));
  Look();
  EXPECT_EQ(Backlog(), 3u);
  EXPECT_THAT(Bodies(), ElementsAre("d", "e", "f"));
  EXPECT_THAT(Bodies({.group = "fast"}), ElementsAre("e", "f")) << "it was not behind";
  EXPECT_EQ(h_.Ack({held[0].system_properties().receipt_handle()}).status().code(), v2::OK)
      << "what is handed out stays with its consumer";
  EXPECT_THAT(DeadLetters(), IsEmpty());
}

TEST_F(BacklogsTest, TheLongestQueuesAreCut) {
  Begin(4, Overflow::kDropOldest, 3);
  for (const char* body : {"a1", "a2", "a3", "a4", "a5"}) h_.Send(body, 0);
  h_.Send("b1", 1);
  for (const char* body : {"c1", "c2", "c3"}) h_.Send(body, 2);
  Look();
  EXPECT_EQ(Backlog(), 4u);
  EXPECT_THAT(Bodies(), testing::UnorderedElementsAre("a4", "a5", "b1", "c3"));
}

TEST_F(BacklogsTest, DroppedMessagesStayDropped) {
  Begin(1, Overflow::kDropOldest, 2);
  for (uint32_t i = 0; i < 6; ++i) h_.Send(std::to_string(i), i % 2);
  Look();
  EXPECT_EQ(Backlog(), 1u);
  h_.Restart();
  EXPECT_EQ(Backlog(), 1u) << "the limit is the topic's, and the cursors are logged";
  h_.Restart(true);
  EXPECT_EQ(Backlog(), 1u);
  EXPECT_THAT(Get(), SizeIs(1));
}

TEST_F(BacklogsTest, TheOldestBecomeDeadLetters) {
  Begin(2, Overflow::kDeadLetter);
  SendAll({"a", "b", "c", "d", "e"});
  Look();
  EXPECT_EQ(Backlog(), 2u);
  EXPECT_THAT(Bodies(), ElementsAre("d", "e"));
  const auto letters = DeadLetters();
  ASSERT_THAT(letters, SizeIs(3));
  EXPECT_EQ(letters[0].message_id(), "c");  // the newest first
  EXPECT_EQ(letters[2].message_id(), "a");
  EXPECT_EQ(letters[2].reason(), "overflow");
  EXPECT_EQ(letters[2].topic(), kTopic);
  EXPECT_EQ(letters[2].queue_offset(), 0);
  EXPECT_EQ(letters[2].attempts(), 0);
  EXPECT_FALSE(letters[2].has_first_delivery());
  h_.Restart();
  EXPECT_THAT(DeadLetters(), SizeIs(3));
}

TEST_F(BacklogsTest, ManyBecomeDeadLettersInOrderAndOnce) {
  Begin(5, Overflow::kDeadLetter, 2);
  constexpr int kCount = 2 * static_cast<int>(Backlogs::kMoved) + 40;
  for (int i = 0; i < 2 * kCount; ++i) h_.Send(std::to_string(i), static_cast<uint32_t>(i % 2));
  Look();
  EXPECT_EQ(Backlog(), 5u);
  const TopicPtr letters = h_.life().metadata.FindTopic("%DLQ%workers");
  ASSERT_NE(letters, nullptr);
  EXPECT_EQ(h_.store().Range({letters->id, 0}).next, 2u * kCount - 5);
}

TEST_F(BacklogsTest, AFrameThatFailsIsTriedAgain) {
  for (const Overflow overflow : {Overflow::kDropOldest, Overflow::kDeadLetter}) {
    SCOPED_TRACE(static_cast<int>(overflow));
    BacklogsTest::h_.Settle();
    if (overflow == Overflow::kDropOldest) {
      Begin(1, overflow);
    } else {
      Alter({.overflow = overflow});
      // The group's dead letters exist by now: what fails is the frame.
      SendAll({"x"});
      Look();
    }
    SendAll({"a", "b", "c"});
    h_.FailNext(absl::UnavailableError("the disk"));
    Look();
    h_.Advance(absl::Milliseconds(Backlogs::kTryAgainMs));
    Look();
    Look();
    EXPECT_EQ(Backlog(), 1u);
    EXPECT_THAT(Bodies(), ElementsAre("c"));
  }
}

TEST_F(BacklogsTest, WhatFailsBeforeAMoveOfThePositionThatFailsTooIsTakenBack) {
  for (const Overflow overflow : {Overflow::kDeadLetter, Overflow::kDropOldest}) {
    SCOPED_TRACE(static_cast<int>(overflow));
    if (overflow == Overflow::kDeadLetter) Begin(1, overflow);
    Alter({.max_backlog = 1, .overflow = overflow});
    SendAll({"x", "y"});
    Look();
    EXPECT_THAT(Bodies(), ElementsAre("y"));
    SendAll({"a", "b", "c"});
    const size_t before = h_.store().submitted();
    h_.clock.Advance(absl::Milliseconds(Backlogs::kLookMs));
    while (h_.life().timers.RunDue() > 0) {
    }
    EXPECT_EQ(h_.store().submitted(), before + 1);
    const Metadata& metadata = h_.life().metadata;
    h_.life().consumption->Reset(metadata.FindGroup(kGroup), metadata.FindTopic(kTopic),
                                 {ResetPoint::Kind::kEarliest}, std::nullopt,
                                 [](const absl::Status& status) { EXPECT_FALSE(status.ok()); });
    EXPECT_EQ(h_.store().submitted(), before + 2);
    h_.FailNext(absl::UnavailableError("the disk"));
    h_.Settle();
    Alter({.max_backlog = 0});
    EXPECT_THAT(Bodies(), ElementsAre("a", "b", "c"));
    EXPECT_THAT(DeadLetters(), SizeIs(1));
  }
}

// A full disk refuses messages, and goes on with what is small.
TEST_F(BacklogsTest, AFrameOfDeadLettersThatFailsAloneLosesNothing) {
  Begin(2, Overflow::kDeadLetter);
  SendAll({"a", "b", "c", "d", "e"});
  Look();  // the group's dead letters exist by now: what fails below is the frame
  SendAll({"f", "g", "h"});
  const size_t before = h_.store().submitted();
  h_.clock.Advance(absl::Milliseconds(Backlogs::kLookMs));
  while (h_.life().timers.RunDue() > 0) {
  }
  ASSERT_EQ(h_.store().submitted(), before + 1);
  const ReceiveCall call = h_.Start({.batch = 1});
  h_.store().StepFailMessages(absl::ResourceExhaustedError("the disk is full"));
  h_.Settle();
  Look();
  std::vector<std::string> got = Harness::Bodies(call);
  for (const std::string& body : Bodies()) got.push_back(body);
  for (const v1::DeadLetter& letter : DeadLetters()) got.push_back(letter.message_id());
  EXPECT_THAT(got, testing::UnorderedElementsAre("a", "b", "c", "d", "e", "f", "g", "h"));
}

TEST_F(BacklogsTest, AReceiveThatComesWhileDeadLettersAreOnTheirWayGetsWhatIsBehindThem) {
  Begin(2, Overflow::kDeadLetter);
  SendAll({"a", "b", "c"});
  Look();
  SendAll({"d"});
  h_.clock.Advance(absl::Milliseconds(Backlogs::kLookMs));
  while (h_.life().timers.RunDue() > 0) {
  }
  ASSERT_GT(h_.store().pending(), 0u);
  const ReceiveCall call = h_.Start({});
  EXPECT_FALSE(call->finished());
  h_.Settle();
  EXPECT_THAT(Harness::Bodies(call), ElementsAre("c", "d"));
}

TEST_F(BacklogsTest, WhatCannotBeReadNowWaitsWithWhatIsBehindIt) {
  Begin(2, Overflow::kDeadLetter);
  SendAll({"a", "b", "c", "d", "e"});
  const store::QueueKey queue{h_.life().metadata.FindTopic(kTopic)->id, 0};
  h_.store().SetHot(true, false);
  h_.store().FailReads(queue, 1, absl::InternalError("an error of the disk"));
  Look();
  EXPECT_THAT(DeadLetters(), SizeIs(1));
  const size_t reads = h_.store().reads();
  for (int i = 0; i < 20; ++i) Look();
  EXPECT_LE(h_.store().reads(), reads + 2) << "it is not tried again at once";
  h_.store().FailReads(queue, 1, absl::OkStatus());
  h_.Advance(absl::Milliseconds(Backlogs::kTryAgainMs));
  Look();
  EXPECT_THAT(DeadLetters(), SizeIs(3));
  EXPECT_THAT(Bodies(), ElementsAre("d", "e"));
}

TEST_F(BacklogsTest, AFifoGroupKeepsWhatItHasLookedAt) {
  Begin(1, Overflow::kDropOldest, 1, true);
  for (const char* body : {"a", "b"}) h_.Send(body, 0, "", {}, "one");
  const auto first = Get({.batch = 1});
  ASSERT_THAT(first, SizeIs(1));
  for (const char* body : {"c", "d", "e"}) h_.Send(body, 0, "", {}, "one");
  Look();
  EXPECT_EQ(h_.Ack({first[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  const auto rest = Bodies();
  ASSERT_FALSE(rest.empty());
  EXPECT_EQ(rest.back(), "e");
  EXPECT_TRUE(std::is_sorted(rest.begin(), rest.end()));
}

TEST_F(BacklogsTest, ALimitThatIsTakenAwayIsNone) {
  Begin(1, Overflow::kDropOldest);
  Alter({.max_backlog = 0});
  SendAll({"a", "b", "c"});
  Look();
  EXPECT_THAT(Get(), SizeIs(3));
}

TEST(LeaseLimitsTest, OfAGroup) {
  ConsumptionOptions options;
  options.max_group_leases = 2;
  Harness h(options);
  h.CreateTopic(2);
  h.CreateGroup(StartPolicy::kEarliest);
  h.CreateGroup(StartPolicy::kEarliest, "other");
  for (uint32_t i = 0; i < 4; ++i) h.Send(std::to_string(i), i % 2);
  const auto held = Harness::Messages(h.Receive());
  ASSERT_THAT(held, SizeIs(2));
  const ReceiveCall refused = h.Receive();
  EXPECT_EQ(Harness::StatusOf(refused), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused->Elements<v2::ReceiveMessageResponse>()[0].status().message(),
              HasSubstr("limits.leases-per-group"));
  EXPECT_THAT(Harness::Messages(h.Receive({.group = "other"})), SizeIs(2));
  EXPECT_EQ(h.Ack({held[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  EXPECT_THAT(Harness::Messages(h.Receive()), SizeIs(1));
  h.Restart();
  EXPECT_EQ(Harness::StatusOf(h.Receive()), v2::TOO_MANY_REQUESTS);
}

TEST(LeaseLimitsTest, LeasesThatAreOnTheirWayCount) {
  for (const bool of_group : {true, false}) {
    ConsumptionOptions options;
    (of_group ? options.max_group_leases : options.max_leases) = 2;
    Harness h(options);
    h.CreateTopic(2);
    h.CreateGroup(StartPolicy::kEarliest);
    h.life().consumption->observer()->OnSubscription("c", kGroup, {kTopic});
    h.store().Run();
    for (uint32_t i = 0; i < 4; ++i) h.Send(std::to_string(i), i % 2);
    const ReceiveCall first = h.Start({.batch = 2});
    EXPECT_FALSE(first->finished());
    EXPECT_EQ(Harness::StatusOf(h.Start({.batch = 2})), v2::TOO_MANY_REQUESTS);
    h.store().StepFail(absl::ResourceExhaustedError("full"));
    EXPECT_THAT(Harness::Messages(h.Receive()), SizeIs(2)) << "what failed does not count";
    EXPECT_EQ(h.life().consumption->usage().leases, 2u);
  }
}

TEST(LeaseLimitsTest, OfAQueue) {
  ConsumptionOptions options;
  options.max_queue_leases = 1;
  Harness h(options);
  h.CreateTopic(2);
  h.CreateGroup(StartPolicy::kEarliest);
  for (uint32_t i = 0; i < 4; ++i) h.Send(std::to_string(i), i % 2);
  const auto held = Harness::Messages(h.Receive());
  ASSERT_THAT(held, SizeIs(2));
  EXPECT_NE(held[0].system_properties().queue_id(), held[1].system_properties().queue_id());
  const ReceiveCall refused = h.Receive();
  EXPECT_EQ(Harness::StatusOf(refused), v2::TOO_MANY_REQUESTS);
  EXPECT_THAT(refused->Elements<v2::ReceiveMessageResponse>()[0].status().message(),
              HasSubstr("limits.leases-per-queue"));
  EXPECT_EQ(h.Ack({held[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  const auto next = Harness::Messages(h.Receive());
  ASSERT_THAT(next, SizeIs(1));
  EXPECT_EQ(next[0].system_properties().queue_id(), held[0].system_properties().queue_id());
}

TEST(LeaseLimitsTest, OfAQueueOfAFifoGroupCountsWhatIsHandedOutOnly) {
  ConsumptionOptions options;
  options.max_queue_leases = 10;
  Harness h(options);
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest, kGroup, 17, true);
  for (int i = 0; i < 20; ++i) h.Send(std::to_string(i), 0, "", {}, "red");
  h.Send("other", 0, "", {}, "blue");
  EXPECT_THAT(Harness::Bodies(h.Receive({.batch = 1})), ElementsAre("0"));
  EXPECT_THAT(Harness::Bodies(h.Receive()), ElementsAre("other"));
}

TEST(LeaseLimitsTest, AReceiveThatFindsNothingWaitsAtTheLimitToo) {
  ConsumptionOptions options;
  options.max_group_leases = 1;
  Harness h(options);
  h.CreateTopic();
  h.CreateGroup(StartPolicy::kEarliest);
  h.Send("only");
  ASSERT_THAT(Harness::Messages(h.Receive()), SizeIs(1));
  EXPECT_FALSE(h.Receive()->finished());
}

}  // namespace
}  // namespace mansio::broker
