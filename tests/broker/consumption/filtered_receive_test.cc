#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/broker/consumption/consumption_harness.h"

namespace mansio::broker {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Receives with SQL filters, and how messages that nobody wants are passed over.
class FilteredReceiveTest : public testing::Test {
 protected:
  FilteredReceiveTest() {
    h.CreateTopic();
    h.CreateGroup(StartPolicy::kEarliest);
  }
  ReceiveCall Receive(const std::string& sql, int batch = 32) {
    return h.Receive({.batch = batch, .filter = sql, .filter_type = v2::SQL});
  }
  void Send(const std::string& body, const std::string& number) {
    h.Send(body, 0, "", {{"n", number}});
  }
  Harness h;
};

TEST_F(FilteredReceiveTest, DeliversWhatMatches) {
  Send("a", "1");
  Send("b", "2");
  Send("c", "1");
  EXPECT_THAT(Harness::Bodies(Receive("n = 1")), ElementsAre("a", "c"));
}

TEST_F(FilteredReceiveTest, AWrongExpressionIsRefusedAtOnce) {
  const ReceiveCall call = Receive("n > ");
  ASSERT_TRUE(call->finished());
  const auto status = call->Elements<v2::ReceiveMessageResponse>()[0].status();
  EXPECT_EQ(status.code(), v2::ILLEGAL_FILTER_EXPRESSION);
  EXPECT_THAT(status.message(), HasSubstr("at character 5"));
}

TEST_F(FilteredReceiveTest, WhatDoesNotMatchCostsNoRecord) {
  const ReceiveCall parked = Receive("n = 1");
  const size_t before = h.store().submitted();
  for (int i = 0; i < 500; ++i) Send("no", "2");
  EXPECT_EQ(h.store().submitted() - before, 500u) << "the messages themselves, and nothing else";
  EXPECT_FALSE(parked->finished());
  Send("yes", "1");
  ASSERT_TRUE(parked->finished());
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("yes"));
  EXPECT_EQ(h.store().submitted() - before, 502u) << "one lease";
}

TEST_F(FilteredReceiveTest, TheSameForTags) {
  const ReceiveCall parked = h.Receive({.filter = "wanted"});
  const size_t before = h.store().submitted();
  for (int i = 0; i < 500; ++i) h.Send("no", 0, "other");
  EXPECT_EQ(h.store().submitted() - before, 500u);
  h.Send("yes", 0, "wanted");
  EXPECT_THAT(Harness::Bodies(parked), ElementsAre("yes"));
}

TEST_F(FilteredReceiveTest, ManySkipsAreLoggedTogether) {
  for (int i = 0; i < 3000; ++i) Send("no", "2");
  const size_t before = h.store().submitted();
  EXPECT_FALSE(Receive("n = 1")->finished());
  const size_t records = h.store().submitted() - before;
  EXPECT_GE(records, 1u);
  EXPECT_LE(records, 6u);
  // After a crash at most a few are looked at again: the group does not begin at 0.
  h.Restart();
  const auto positions = h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup));
  ASSERT_EQ(positions.size(), 1u);
  EXPECT_GE(positions[0].cursor, 3000u - 1024u);
}

TEST_F(FilteredReceiveTest, SkipsThatWereNotLoggedAreJudgedAgainAfterARestart) {
  Send("a", "2");
  Send("b", "2");
  EXPECT_FALSE(Receive("n = 1")->finished());
  h.Restart();
  EXPECT_THAT(Harness::Bodies(Receive("n = 2")), ElementsAre("a", "b"));
}

TEST_F(FilteredReceiveTest, WhatALeaseWasLoggedBehindIsPassedOverForGood) {
  Send("no", "2");
  Send("yes", "1");
  EXPECT_THAT(Harness::Bodies(Receive("n = 1")), ElementsAre("yes"));
  h.Restart();
  EXPECT_FALSE(Receive("n = 2")->finished());
}

TEST_F(FilteredReceiveTest, MessagesOnDiskAreJudgedInTheColdPool) {
  for (int i = 0; i < 600; ++i) Send("no", "2");
  Send("x", "1");
  Send("y", "1");
  for (const bool entries_hot : {true, false}) {
    h.CreateGroup(StartPolicy::kEarliest, entries_hot ? "g1" : "g2");
    h.store().SetHot(entries_hot, false);
    h.store().HoldColdJobs(true);
    const ReceiveCall call = h.Receive({.group = entries_hot ? "g1" : "g2",
                                        .batch = 1,
                                        .filter = "n = 1",
                                        .filter_type = v2::SQL});
    EXPECT_FALSE(call->finished());
    const size_t before = h.store().submitted();
    int scans = 0;
    while (!call->finished() && scans < 10) {
      ASSERT_GT(h.store().RunColdJobs(), 0u);
      h.store().Run();
      ++scans;
    }
    EXPECT_THAT(Harness::Bodies(call), ElementsAre("x"));
    EXPECT_EQ(scans, 4) << "three scans of at most 256 messages, and the read of the message";
    EXPECT_LE(h.store().submitted() - before, 2u);
  }
}

TEST_F(FilteredReceiveTest, OneReceiveOfAGroupScansForAllThatWait) {
  for (int i = 0; i < 600; ++i) Send("no", "2");
  Send("x", "1");
  Send("y", "1");
  h.store().SetHot(true, false);
  h.store().HoldColdJobs(true);
  const ReceiveCall first = Receive("n = 1", 1);
  const ReceiveCall second = Receive("n = 1", 1);
  for (int scan = 0; scan < 3; ++scan) {
    EXPECT_FALSE(first->finished());
    EXPECT_EQ(h.store().RunColdJobs(), 1u) << "the same messages are not read twice";
    h.store().Run();
  }
  // The first reads its message, while the second, woken, looks for the next.
  EXPECT_EQ(h.store().RunColdJobs(), 2u);
  h.store().Run();
  EXPECT_THAT(Harness::Bodies(first), ElementsAre("x"));
  EXPECT_EQ(h.store().RunColdJobs(), 1u);
  EXPECT_THAT(Harness::Bodies(second), ElementsAre("y"));
}

TEST_F(FilteredReceiveTest, AnotherReceiveGoesOnWhenTheOneThatScansIsCancelled) {
  for (int i = 0; i < 300; ++i) Send("no", "2");
  Send("x", "1");
  h.store().SetHot(true, false);
  h.store().HoldColdJobs(true);
  const ReceiveCall first = Receive("n = 1");
  const ReceiveCall second = Receive("n = 1");
  first->Cancel();
  while (h.store().RunColdJobs() > 0) h.store().Run();
  EXPECT_THAT(Harness::Bodies(first), IsEmpty());
  EXPECT_THAT(Harness::Bodies(second), ElementsAre("x"));
}

TEST_F(FilteredReceiveTest, AnotherReceiveGoesOnWhenTheOneThatScansHasNoTimeLeft) {
  for (int i = 0; i < 600; ++i) Send("no", "2");
  Send("x", "1");
  h.store().SetHot(true, false);
  h.store().HoldColdJobs(true);
  const ReceiveCall first = Receive("n = 1");
  h.clock.Advance(absl::Seconds(10));
  const ReceiveCall second = Receive("n = 1");
  h.clock.Advance(absl::Seconds(11));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(h.store().RunColdJobs(), 1u);
  ASSERT_TRUE(first->finished());
  EXPECT_EQ(Harness::StatusOf(first), v2::MESSAGE_NOT_FOUND);
  while (h.store().RunColdJobs() > 0) h.store().Run();
  EXPECT_THAT(Harness::Bodies(second), ElementsAre("x"));
}

TEST_F(FilteredReceiveTest, AFullColdPoolIsToldToTheClient) {
  Send("a", "1");
  h.store().SetHot(true, false);
  h.store().RefuseColdJobs(true);
  EXPECT_EQ(Harness::StatusOf(Receive("n = 1")), v2::TOO_MANY_REQUESTS);
}

TEST_F(FilteredReceiveTest, ASearchThatFailsEndsOneReceiveAtATime) {
  for (int i = 0; i < 300; ++i) Send("no", "2");
  Send("x", "1");
  h.store().SetHot(true, false);
  h.store().HoldColdJobs(true);
  std::vector<ReceiveCall> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(Receive("n = 1"));
  const auto ended = [&waiting] {
    return std::count_if(waiting.begin(), waiting.end(),
                         [](const ReceiveCall& call) { return call->finished(); });
  };
  h.store().FailEntries(absl::InternalError("EIO"));
  while (h.store().RunColdJobs() > 0) h.store().Run();
  EXPECT_EQ(Harness::StatusOf(waiting[0]), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(ended(), 1);
  h.store().FailEntries(absl::OkStatus());
  h.Advance(absl::Milliseconds(100));
  while (h.store().RunColdJobs() > 0) h.store().Run();
  EXPECT_THAT(Harness::Bodies(waiting[1]), ElementsAre("x"));
}

TEST_F(FilteredReceiveTest, ASearchEndsWithThePollingTime) {
  for (int i = 0; i < 2000; ++i) Send("no", "2");
  h.store().SetHot(true, false);
  h.store().HoldColdJobs(true);
  const ReceiveCall call = Receive("n = 1");
  h.store().RunColdJobs();
  EXPECT_FALSE(call->finished());
  h.clock.Advance(absl::Seconds(20));
  for (int i = 0; i < 2; ++i) h.store().RunColdJobs();
  ASSERT_TRUE(call->finished());
  EXPECT_EQ(Harness::StatusOf(call), v2::MESSAGE_NOT_FOUND);
  // The next one goes on where it ended.
  const auto positions = h.life().consumption->Describe(*h.life().metadata.FindGroup(kGroup));
  EXPECT_GE(positions[0].cursor, 512u);
}

TEST_F(FilteredReceiveTest, AHugeFilterIsRunInTheColdPool) {
  std::string costly = "n = 1";
  for (int i = 0; i < 700; ++i) costly += " OR n = 1";
  for (int i = 0; i < 50; ++i) {
    h.Send("no", 0, "", {{"n", "2"}, {"padding", std::string(16000, 'x')}});
  }
  h.Send("yes", 0, "", {{"n", "1"}, {"padding", std::string(16000, 'x')}});
  h.store().HoldColdJobs(true);
  const ReceiveCall call = Receive(costly);
  EXPECT_FALSE(call->finished()) << "every message is in memory, but judging them takes long";
  while (h.store().RunColdJobs() > 0) h.store().Run();
  EXPECT_THAT(Harness::Bodies(call), ElementsAre("yes"));
}

TEST_F(FilteredReceiveTest, AReturnedMessageThatTheNextConsumerDoesNotWantIsPassedOver) {
  Send("a", "1");
  EXPECT_THAT(Harness::Bodies(Receive("n = 1")), ElementsAre("a"));
  h.Advance(absl::Seconds(30));
  EXPECT_FALSE(Receive("n = 2")->finished());
  EXPECT_FALSE(Receive("n = 1")->finished()) << "the group is done with it";
}

TEST_F(FilteredReceiveTest, TakenOffsetsStayWithTheirQueuesWhenTheLogRefuses) {
  Send("first", "1");  // fixes the group's position
  EXPECT_THAT(Harness::Bodies(Receive("n = 1")), ElementsAre("first"));
  Send("no", "2");
  Send("yes", "1");
  h.store().RefuseSubmits(absl::ResourceExhaustedError("full"));
  EXPECT_EQ(Harness::StatusOf(Receive("n = 1")), v2::TOO_MANY_REQUESTS);
  h.store().RefuseSubmits(absl::OkStatus());
  EXPECT_THAT(Harness::Bodies(Receive("n = 1")), ElementsAre("yes"));
}

}  // namespace
}  // namespace mansio::broker
