// What the log says of one message.
#include "broker/inspection/message_trace.h"

#include <gmock/gmock.h>

#include "tests/broker/inspection/inspection_harness.h"

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// "what topic/queue/offset", then the group and the client where there is one.
std::vector<std::string> EventsOf(const v1::TraceMessageResponse& response) {
  std::vector<std::string> events;
  for (const v1::MessageTrace& trace : response.traces()) {
    for (const v1::TraceEvent& event : trace.events()) {
      std::string text = event.what() + " " + event.topic() + "/" +
                         std::to_string(event.queue_id()) + "/" + std::to_string(event.offset());
      if (!event.group().empty()) text += " " + event.group();
      if (!event.client().empty()) text += " " + event.client();
      events.push_back(text);
    }
  }
  return events;
}

TEST_F(InspectionTest, ATraceOfAMessageThatWasAcknowledged) {
  h_.CreateGroup(StartPolicy::kEarliest);
  Send({.body = "before"});
  Send({.body = "a"});
  Send({.body = "after"});
  const auto messages = Harness::Messages(h_.Receive());
  ASSERT_EQ(messages.size(), 3u);
  h_.Ack({messages[1].system_properties().receipt_handle()});
  const auto traced = Trace("a");
  EXPECT_EQ(traced.status().code(), v2::OK);
  EXPECT_THAT(EventsOf(traced),
              ElementsAre("stored orders/0/1", "delivered orders/0/1 workers client-1",
                          "acknowledged orders/0/1 workers"));
  EXPECT_TRUE(traced.traces(0).done());
  EXPECT_EQ(traced.traces(0).broker(), "broker-a");
  EXPECT_THAT(traced.traces(0).events(1).detail(), HasSubstr("leased until 20"));
}

TEST_F(InspectionTest, ATraceOfAMessageThatBecameADeadLetter) {
  h_.CreateGroup(StartPolicy::kEarliest, kGroup, /*max_attempts=*/2);
  Send({.body = "a"});
  for (int attempt = 0; attempt < 2; ++attempt) {
    ASSERT_EQ(Harness::Bodies(h_.Receive({.client = "gone"})).size(), 1u);
    h_.Advance(absl::Seconds(31));
  }
  const auto traced = Trace("a");
  const std::string gone = EventsOf(traced)[1].substr(EventsOf(traced)[1].rfind(' '));
  EXPECT_THAT(
      EventsOf(traced),
      ElementsAre("stored orders/0/0", "delivered orders/0/0 workers" + gone,
                  "retried %RETRY%workers/0/0", "delivered %RETRY%workers/0/0 workers" + gone,
                  "dead letter %DLQ%workers/0/0 workers"));
  EXPECT_NE(traced.traces(0).events(4).detail(), "");
}

TEST_F(InspectionTest, ATraceOfADeadLetterThatWasResent) {
  h_.CreateGroup(StartPolicy::kEarliest, kGroup, /*max_attempts=*/1);
  Send({.body = "a"});
  h_.Receive();
  h_.Advance(absl::Seconds(31));
  v1::ResendDeadLettersRequest resend;
  resend.set_group(kGroup);
  ASSERT_EQ(h_.Admin<v1::ResendDeadLettersResponse>("ResendDeadLetters", resend).resent(), 1);
  const std::vector<std::string> events = EventsOf(Trace("a"));
  EXPECT_EQ(events.size(), 5u) << ::testing::PrintToString(events);
  EXPECT_THAT(events, ::testing::Contains("dead letter removed %DLQ%workers/0/0"));
}

TEST_F(InspectionTest, ATraceThatGoesOnKnowsWhatWasBefore) {
  h_.CreateGroup(StartPolicy::kEarliest);
  Send({.body = "a"});
  const auto messages = Harness::Messages(h_.Receive());
  const auto first = Trace("a");
  ASSERT_TRUE(first.traces(0).done());
  h_.Ack({messages[0].system_properties().receipt_handle()});
  EXPECT_THAT(EventsOf(Trace("a", first.traces(0).next())),
              ElementsAre("acknowledged orders/0/0 workers"));
}

TEST_F(InspectionTest, AGroupThatMovesOverAMessage) {
  h_.CreateGroup(StartPolicy::kEarliest);
  Send({.body = "a"});
  ASSERT_EQ(Harness::Bodies(h_.Receive()).size(), 1u);
  PositionMovedRecord moved;
  moved.group = h_.life().metadata.FindGroup(kGroup)->id;
  moved.topic = h_.life().metadata.FindTopic(kTopic)->id;
  moved.queues = {{0, 0}};
  Log(kPositionMovedRecord, moved.Encode());
  const auto traced = Trace("a");
  EXPECT_EQ(EventsOf(traced).back(), "group moved orders/0/0 workers");
  EXPECT_EQ(traced.traces(0).events().rbegin()->detail(), "it comes again");
}

TEST_F(InspectionTest, ALongTraceLetsOthersReadBetween) {
  for (int i = 0; i < 200; ++i) Send({.body = "a"});
  h_.store().HoldColdJobs(true);
  v1::TraceMessageRequest request;
  request.set_message_id("a");
  const auto call = Begin("TraceMessage", request);
  EXPECT_GT(TurnsOf(*call), 2);
  const auto traced = call->Response<v1::TraceMessageResponse>();
  EXPECT_EQ(EventsOf(traced).size(), 200u);
  EXPECT_TRUE(traced.traces(0).done());
}

TEST_F(InspectionTest, ATraceEndsWhenNobodyWaitsAnyMoreAndGoesOn) {
  for (int i = 0; i < 200; ++i) Send({.body = "a"});
  v1::TraceMessageRequest request;
  request.set_message_id("a");
  const auto late = Begin("TraceMessage", request, absl::InfinitePast());
  const auto traced = late->Response<v1::TraceMessageResponse>();
  ASSERT_EQ(traced.traces_size(), 1);
  EXPECT_EQ(EventsOf(traced).back(), "stored orders/0/199");
  EXPECT_LT(EventsOf(traced).size(), 200u);
  EXPECT_FALSE(traced.traces(0).done());
  EXPECT_TRUE(Trace("a", traced.traces(0).next()).traces(0).done());
}

TEST_F(InspectionTest, ATraceGoesOnBehindWhatIsDamaged) {
  Send({.body = "a"});
  const store::LogOffset damaged = h_.store().cursors().applied;
  Send({.body = "a"});
  Send({.body = "a"});
  h_.store().BeginLogFile();
  Send({.body = "a"});
  h_.store().DamageLog(damaged);
  const auto traced = Trace("a");
  EXPECT_EQ(traced.status().code(), v2::OK);
  EXPECT_THAT(EventsOf(traced), ElementsAre("stored orders/0/0", "stored orders/0/3"));
  ASSERT_EQ(traced.traces(0).damaged_size(), 1);
  EXPECT_THAT(traced.traces(0).damaged(0), HasSubstr("offset " + std::to_string(damaged)));
  EXPECT_TRUE(traced.traces(0).done());
}

TEST_F(InspectionTest, ATraceOfADamagedEnd) {
  Send({.body = "a"});
  h_.store().DamageLog(h_.store().cursors().applied);
  Send({.body = "b"});
  const auto traced = Trace("a");
  EXPECT_THAT(EventsOf(traced), ElementsAre("stored orders/0/0"));
  EXPECT_EQ(traced.traces(0).damaged_size(), 1);
  EXPECT_TRUE(traced.traces(0).done());
}

TEST_F(InspectionTest, ATraceOfNothing) {
  EXPECT_EQ(Trace("").status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Trace("a", -1).status().code(), v2::BAD_REQUEST);
  const auto unknown = Trace("a\n");
  EXPECT_EQ(unknown.status().code(), v2::MESSAGE_NOT_FOUND);
  EXPECT_EQ(unknown.status().message().find('\n'), std::string::npos);
  h_.store().SetKeys(nullptr);
  EXPECT_EQ(Trace("a").status().code(), v2::NOT_IMPLEMENTED);
}

}  // namespace
}  // namespace mansio::broker
