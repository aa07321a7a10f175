#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kWorkersDeadLetters[] = "%DLQ%workers";
constexpr int64_t kMinute = 60'000;

class ExpiryTest : public testing::Test {
 protected:
  void Begin(ExpiryPolicy expiry, bool fifo = false) {
    TopicRecord topic;
    topic.name = kTopic;
    topic.queues = 1;
    topic.expiry = expiry;
    h_.CreateTopic(topic);
    h_.CreateGroup(StartPolicy::kEarliest, kGroup, 17, fifo);
    h_.CreateGroup(StartPolicy::kEarliest, "others");
    h_.CreateGroup(StartPolicy::kEarliest, "undertaker");
  }
  void SendWithTtl(const std::string& body, const std::string& ttl,
                   const std::string& message_group = "") {
    h_.Send(body, 0, "", {{"mansio-ttl-ms", ttl}}, message_group);
  }
  std::vector<v2::Message> Receive(const ReceiveArguments& a = {}) {
    const ReceiveCall call = h_.Receive(a);
    h_.Settle();
    if (!call->finished()) call->Cancel();
    return Harness::Messages(call);
  }
  std::vector<std::string> Get(const ReceiveArguments& a = {}) {
    std::vector<std::string> bodies;
    for (const v2::Message& m : Receive(a)) bodies.push_back(m.body());
    return bodies;
  }
  std::vector<std::string> DeadLetters(const std::string& topic = kWorkersDeadLetters) {
    return Get({.group = "undertaker", .topic = topic});
  }
  v1::DeadLetter OnlyDeadLetter() {
    const auto listed = h_.ListDeadLetters();
    EXPECT_EQ(listed.dead_letters_size(), 1);
    return listed.dead_letters_size() == 0 ? v1::DeadLetter() : listed.dead_letters(0);
  }
  // How many messages the group has still to get or to acknowledge.
  uint64_t Open() {
    uint64_t open = 0;
    for (const auto& q : h_.life().consumption->Describe(*h_.life().metadata.FindGroup(kGroup))) {
      open += q.leased + q.ready;
    }
    return open;
  }
  Harness h_;
};

TEST_F(ExpiryTest, WhatHasExpiredIsSkipped) {
  Begin({kMinute, false});
  h_.Send("old");
  h_.Advance(absl::Seconds(30));
  h_.Send("young");
  h_.Advance(absl::Seconds(31));
  EXPECT_THAT(Get(), ElementsAre("young"));
  EXPECT_EQ(Open(), 1u);
  EXPECT_EQ(h_.life().metadata.FindTopic(kWorkersDeadLetters), nullptr);
  EXPECT_THAT(Get({.group = "others"}), ElementsAre("young")) << "each group comes to it itself";
}

TEST_F(ExpiryTest, ABacklogOfExpiredMessagesIsPassedByOneReceive) {
  Begin({kMinute, false});
  for (int i = 0; i < 200; ++i) h_.Send("old");
  h_.Advance(absl::Seconds(61));
  h_.Send("young");
  EXPECT_THAT(Get(), ElementsAre("young"));
  EXPECT_EQ(Open(), 1u);
}

TEST_F(ExpiryTest, TheSmallerOfBothTimesCounts) {
  Begin({kMinute, false});
  SendWithTtl("short", "5000");
  SendWithTtl("long", "600000");
  h_.Advance(absl::Seconds(6));
  EXPECT_THAT(Get({.group = "others"}), ElementsAre("long"));
  h_.Advance(absl::Seconds(55));
  EXPECT_THAT(Get(), IsEmpty());
}

TEST_F(ExpiryTest, AMessageCanSayItsTimeWithoutTheTopic) {
  Begin({});
  SendWithTtl("short", "5000");
  h_.Send("other", 0, "", {{"about", "mansio-ttl-ms"}});
  EXPECT_THAT(Get({.group = "others"}), ElementsAre("short", "other"));
  h_.Advance(absl::Hours(1));
  EXPECT_THAT(Get(), ElementsAre("other"));
}

TEST_F(ExpiryTest, ARetryExpiresByTheTimeOfTheMessage) {
  Begin({kMinute, false});
  h_.Send("m");
  EXPECT_THAT(Get(), ElementsAre("m"));
  h_.Advance(absl::Seconds(31));
  h_.Advance(absl::Seconds(30));
  EXPECT_THAT(Get(), IsEmpty());
  EXPECT_EQ(Open(), 0u);
}

TEST_F(ExpiryTest, ExpiredMessagesAreDeadLettersOfEachGroup) {
  Begin({kMinute, true});
  h_.Send("old");
  h_.Advance(absl::Seconds(61));
  EXPECT_THAT(Get(), IsEmpty());
  const v1::DeadLetter letter = OnlyDeadLetter();
  EXPECT_EQ(letter.reason(), "expired");
  EXPECT_EQ(letter.topic(), kTopic);
  EXPECT_EQ(letter.message_id(), "old");
  EXPECT_EQ(letter.attempts(), 0);
  EXPECT_EQ(letter.first_delivery().seconds(), 0);
  EXPECT_EQ(letter.last_delivery().seconds(), 0);
  EXPECT_THAT(DeadLetters(), ElementsAre("old"));
  EXPECT_EQ(Open(), 0u);
  EXPECT_THAT(Get({.group = "others"}), IsEmpty());
  EXPECT_THAT(DeadLetters("%DLQ%others"), ElementsAre("old"));
}

TEST_F(ExpiryTest, AnExpiredRetryKeepsItsDeliveries) {
  Begin({kMinute, true});
  h_.Send("m");
  EXPECT_THAT(Get(), ElementsAre("m"));
  h_.Advance(absl::Seconds(31));
  h_.Advance(absl::Seconds(30));
  EXPECT_THAT(Get(), IsEmpty());
  const v1::DeadLetter letter = OnlyDeadLetter();
  EXPECT_EQ(letter.reason(), "expired");
  EXPECT_EQ(letter.attempts(), 1);
  EXPECT_GT(letter.last_delivery().seconds(), 0);
  EXPECT_EQ(letter.first_delivery().seconds(), letter.last_delivery().seconds());
}

TEST_F(ExpiryTest, DeadLettersDoNotExpire) {
  Begin({0, true});
  SendWithTtl("old", "1000");
  h_.Advance(absl::Seconds(2));
  EXPECT_THAT(Get(), IsEmpty());
  h_.Advance(absl::Hours(24));
  EXPECT_THAT(DeadLetters(), ElementsAre("old"));
}

TEST_F(ExpiryTest, ManyExpiredMessagesBecomeDeadLettersOnce) {
  Begin({kMinute, true});
  for (int i = 0; i < 200; ++i) h_.Send("old");
  h_.Advance(absl::Seconds(61));
  EXPECT_THAT(Get(), IsEmpty());
  EXPECT_EQ(Open(), 0u);
  const uint32_t dlq = h_.life().metadata.FindTopic(kWorkersDeadLetters)->id;
  EXPECT_EQ(h_.store().Range({dlq, 0}).next, 200u);
}

TEST_F(ExpiryTest, MoreThanOneFrameOfExpiredMessages) {
  Begin({kMinute, true});
  for (const char c : {'a', 'b', 'c'}) h_.Send(std::string(3'500'000, c));
  h_.Advance(absl::Seconds(61));
  EXPECT_THAT(Get({.auto_renew = true}), IsEmpty());
  EXPECT_EQ(Open(), 0u);
  const uint32_t dlq = h_.life().metadata.FindTopic(kWorkersDeadLetters)->id;
  EXPECT_EQ(h_.store().Range({dlq, 0}).next, 3u);
}

TEST_F(ExpiryTest, AFrameThatFailsIsTriedAgain) {
  Begin({kMinute, true});
  h_.Send("first");
  h_.Advance(absl::Seconds(61));
  EXPECT_THAT(Get(), IsEmpty());  // the queue of dead letters is there now
  h_.Send("second");
  h_.Advance(absl::Seconds(61));
  h_.SetLag(true);
  const ReceiveCall call = h_.Receive({.auto_renew = true});
  h_.store().StepAppend();
  h_.store().StepCommit();
  ASSERT_GT(h_.store().pending(), 0u) << "the move is on its way";
  h_.store().StepFail(absl::UnavailableError("the disk"));
  EXPECT_EQ(Open(), 1u);
  h_.SetLag(false);
  h_.Advance(absl::Seconds(2));
  if (!call->finished()) call->Cancel();
  EXPECT_THAT(Get(), IsEmpty());
  EXPECT_THAT(DeadLetters(), ElementsAre("first", "second"));
  EXPECT_EQ(Open(), 0u);
}

TEST_F(ExpiryTest, AnExpiredHeadDoesNotHoldUpItsMessageGroup) {
  Begin({}, true);
  SendWithTtl("a", "1000", "red");
  h_.Send("b", 0, "", {}, "red");
  h_.Advance(absl::Seconds(2));
  const auto got = Receive();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body(), "b");
  EXPECT_EQ(h_.Ack({got[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  h_.Send("c", 0, "", {}, "red");
  EXPECT_THAT(Get(), ElementsAre("c"));
}

TEST_F(ExpiryTest, AnExpiredHeadOfAMessageGroupIsADeadLetter) {
  Begin({0, true}, true);
  SendWithTtl("a", "1000", "red");
  h_.Send("b", 0, "", {}, "red");
  h_.Advance(absl::Seconds(2));
  const auto got = Receive();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body(), "b");
  EXPECT_THAT(DeadLetters(), ElementsAre("a"));
  EXPECT_EQ(h_.Ack({got[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  EXPECT_EQ(Open(), 0u);
}

TEST_F(ExpiryTest, AMoveThatFailsTakesNothingFromTheConsumerOfItsBatch) {
  Begin({0, true}, true);
  SendWithTtl("first", "1000", "red");
  h_.Advance(absl::Seconds(2));
  EXPECT_THAT(Get(), IsEmpty());  // the queue of dead letters is there now
  SendWithTtl("a", "1000", "red");
  h_.Send("b", 0, "", {}, "red");
  h_.Advance(absl::Seconds(2));
  h_.SetLag(true);
  const ReceiveCall call = h_.Receive();
  h_.store().StepAppend();
  h_.store().StepCommit();
  ASSERT_GT(h_.store().pending(), 0u) << "the move is on its way";
  h_.store().StepFail(absl::UnavailableError("the disk"));
  h_.SetLag(false);
  const auto got = Harness::Messages(call);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].body(), "b");
  h_.Advance(absl::Seconds(2));
  EXPECT_EQ(h_.Ack({got[0].system_properties().receipt_handle()}).status().code(), v2::OK);
  EXPECT_THAT(DeadLetters(), ElementsAre("first", "a"));
  EXPECT_EQ(Open(), 0u);
}

TEST_F(ExpiryTest, AReceiveThatWaitsFollowsANewTtl) {
  Begin({});
  const auto pause = [this](bool paused) {
    h_.life().metadata.SetPaused(kGroup, paused, [](const absl::StatusOr<GroupPtr>&) {});
    h_.Settle();
  };
  const ReceiveCall call = h_.Receive();
  pause(true);
  h_.Send("m");
  TopicChange change;
  change.ttl_ms = 1000;
  h_.life().metadata.AlterTopic(kTopic, change, [](const absl::StatusOr<TopicPtr>&) {});
  h_.Advance(absl::Seconds(2));
  pause(false);
  EXPECT_FALSE(call->finished());
  EXPECT_EQ(Open(), 0u);
  call->Cancel();
}

TEST_F(ExpiryTest, WhatWasSkippedStaysSkippedAfterACrash) {
  Begin({kMinute, true});
  h_.Send("old");
  h_.Advance(absl::Seconds(61));
  EXPECT_THAT(Get(), IsEmpty());
  for (const bool from_checkpoint : {false, true}) {
    h_.Restart(from_checkpoint);
    EXPECT_EQ(Open(), 0u);
    EXPECT_EQ(OnlyDeadLetter().message_id(), "old");
    EXPECT_EQ(h_.life().metadata.FindTopic(kTopic)->expiry, (ExpiryPolicy{kMinute, true}));
  }
}

TEST_F(ExpiryTest, MovesThatFailAreTriedOneAtATimeWhateverTheirNumber) {
  Begin({kMinute, true});
  for (int i = 0; i < 1000; ++i) h_.Send("old");
  h_.Advance(absl::Seconds(61));
  h_.SetLag(true);
  const auto pass = [&](absl::Duration d) {
    h_.clock.Advance(d);
    do {
      h_.store().StepFailMessages(absl::ResourceExhaustedError("the disk is full"));
      h_.store().Run();
    } while (h_.life().timers.RunDue() > 0 || h_.store().pending() > 0);
  };
  const ReceiveCall call = h_.Receive({.auto_renew = true});
  pass(absl::ZeroDuration());
  EXPECT_EQ(Open(), 1000u);
  const size_t before = h_.store().submitted();
  for (int i = 0; i < 10; ++i) pass(absl::Seconds(1));
  EXPECT_LE(h_.store().submitted() - before, 4u);
  h_.SetLag(false);
  h_.Advance(absl::Minutes(1));
  EXPECT_EQ(Open(), 0u);
  const uint32_t dlq = h_.life().metadata.FindTopic(kWorkersDeadLetters)->id;
  EXPECT_EQ(h_.store().Range({dlq, 0}).next, 1000u);
}

}  // namespace
}  // namespace mansio::broker
