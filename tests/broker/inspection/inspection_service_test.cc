// Messages found by key, id and time, and read by their place.
#include "broker/inspection/inspection_service.h"

#include <gmock/gmock.h>

#include "broker/inspection/message_query.h"
#include "tests/broker/inspection/inspection_harness.h"

namespace mansio::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::QueryMessagesRequest ByKey(const std::string& key) {
  v1::QueryMessagesRequest request;
  request.set_key(key);
  return request;
}
v1::QueryMessagesRequest ById(const std::string& id) {
  v1::QueryMessagesRequest request;
  request.set_message_id(id);
  return request;
}
v1::QueryMessagesRequest OfTopic(const std::string& topic) {
  v1::QueryMessagesRequest request;
  request.set_topic(topic);
  return request;
}
google::protobuf::Timestamp At(int64_t ms) {
  google::protobuf::Timestamp time;
  time.set_seconds(ms / 1000);
  time.set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
  return time;
}

TEST_F(InspectionTest, MessagesByKeyNewestFirst) {
  Send({.body = "a", .keys = {"k", "x"}});
  Send({.body = "b", .queue = 1, .keys = {"k"}});
  Send({.body = "c", .keys = {"y"}});
  const auto found = Query(ByKey("k"));
  EXPECT_EQ(found.status().code(), v2::OK);
  ASSERT_THAT(IdsOf(found), ElementsAre("b", "a"));
  EXPECT_FALSE(found.more());
  EXPECT_EQ(found.results(0).broker(), "broker-a");
  const v1::FoundMessage& b = found.messages(0);
  EXPECT_EQ(b.broker(), "broker-a");
  EXPECT_EQ(b.message().topic().name(), kTopic);
  EXPECT_EQ(b.message().system_properties().queue_id(), 1);
  EXPECT_EQ(b.message().system_properties().queue_offset(), 0);
  EXPECT_GT(b.message().system_properties().store_timestamp().seconds(), 0);
  EXPECT_EQ(b.body_bytes(), 1);
  EXPECT_EQ(b.message().body(), "");
  EXPECT_THAT(IdsOf(Query(ByKey("a"))), IsEmpty());  // an id is no key
  EXPECT_THAT(IdsOf(Query(ById("a"))), ElementsAre("a"));
  EXPECT_THAT(IdsOf(Query(ById("k"))), IsEmpty());
}

TEST_F(InspectionTest, KeysOfTheTopicThatIsAskedFor) {
  h_.CreateTopic(1, "others");
  Send({.body = "a", .keys = {"k"}});
  Send({.body = "b", .keys = {"k"}, .topic = "others"});
  v1::QueryMessagesRequest request = ByKey("k");
  EXPECT_THAT(IdsOf(Query(request)), ElementsAre("b", "a"));
  request.set_topic(kTopic);
  EXPECT_THAT(IdsOf(Query(request)), ElementsAre("a"));
}

TEST_F(InspectionTest, ALimitAndTimes) {
  std::vector<int64_t> times;
  for (const char* body : {"a", "b", "c", "d"}) {
    const uint32_t queue = times.size() % 2;
    h_.Advance(absl::Seconds(1));
    times.push_back(h_.life().time.NowMillis());
    Send({.body = body, .queue = queue, .keys = {"k"}});
  }
  for (v1::QueryMessagesRequest request : {ByKey("k"), OfTopic(kTopic)}) {
    EXPECT_THAT(IdsOf(Query(request)), ElementsAre("d", "c", "b", "a"));
    request.set_limit(2);
    EXPECT_THAT(IdsOf(Query(request)), ElementsAre("d", "c"));
    EXPECT_TRUE(Query(request).more());
    *request.mutable_until() = At(times[3]);
    EXPECT_THAT(IdsOf(Query(request)), ElementsAre("c", "b"));
    *request.mutable_from() = At(times[2]);
    EXPECT_THAT(IdsOf(Query(request)), ElementsAre("c"));
    EXPECT_FALSE(Query(request).more());
  }
}

TEST_F(InspectionTest, AnAnswerIsNoLargerThanACallMayBe) {
  const std::string large(900 << 10, 'x');
  for (int i = 0; i < 4; ++i) Send({.body = large, .keys = {"k"}, .id = "id"});
  v1::QueryMessagesRequest request = ByKey("k");
  EXPECT_EQ(Query(request).messages_size(), 4);
  request.set_with_bodies(true);
  const auto found = Query(request);
  EXPECT_LT(found.ByteSizeLong(), MessageQuery::kMaxBytes);
  EXPECT_TRUE(found.more());
}

TEST_F(InspectionTest, AKeyOfVeryManyMessagesIsNotReadWithoutEnd) {
  for (size_t i = 0; i < MessageQuery::kMaxExamined + 10; ++i) {
    Send({.body = "m", .keys = {"k"}});
  }
  v1::QueryMessagesRequest request = ByKey("k");
  *request.mutable_until() = At(1);  // none is that old
  const auto found = Query(request);
  EXPECT_THAT(IdsOf(found), IsEmpty());
  EXPECT_TRUE(found.more());
}

TEST_F(InspectionTest, ALongSearchLetsOthersReadBetween) {
  for (int i = 0; i < 200; ++i) Send({.body = "m", .queue = i % 2u, .keys = {"k"}});
  h_.store().HoldColdJobs(true);
  for (v1::QueryMessagesRequest request : {ByKey("k"), OfTopic(kTopic)}) {
    request.set_limit(1000);
    const auto call = Begin("QueryMessages", request);
    // One at a time.
    EXPECT_EQ(
        Begin("QueryMessages", request)->Response<v1::QueryMessagesResponse>().status().code(),
        v2::TOO_MANY_REQUESTS);
    EXPECT_GT(TurnsOf(*call), 2);
    const auto found = call->Response<v1::QueryMessagesResponse>();
    EXPECT_EQ(found.messages_size(), 200);
    EXPECT_FALSE(found.more());
  }
}

TEST_F(InspectionTest, ASearchEndsWhenNobodyWaitsAnyMore) {
  for (int i = 0; i < 200; ++i) Send({.body = "m", .queue = i % 2u, .keys = {"k"}});
  for (v1::QueryMessagesRequest request : {ByKey("k"), OfTopic(kTopic)}) {
    request.set_limit(1000);
    const auto late = Begin("QueryMessages", request, absl::InfinitePast());
    const auto found = late->Response<v1::QueryMessagesResponse>();
    EXPECT_EQ(found.status().code(), v2::OK);
    EXPECT_GT(found.messages_size(), 0);
    EXPECT_LT(found.messages_size(), 200);
    EXPECT_TRUE(found.more());

    h_.store().HoldColdJobs(true);
    const auto gone = Begin("QueryMessages", request);
    gone->Cancel();
    EXPECT_EQ(h_.store().RunColdJobs(), 1u);
    EXPECT_EQ(gone->times_finished(), 1);
    EXPECT_EQ(h_.store().RunColdJobs(), 0u);
    h_.store().HoldColdJobs(false);
  }
}

TEST_F(InspectionTest, AFullPoolEndsASearchThatHasBegun) {
  for (int i = 0; i < 200; ++i) Send({.body = "m", .keys = {"k"}});
  h_.store().HoldColdJobs(true);
  const auto call = Begin("QueryMessages", ByKey("k"));
  h_.store().RefuseColdJobs(true);
  h_.store().RunColdJobs();
  ASSERT_TRUE(call->finished());
  EXPECT_TRUE(call->Response<v1::QueryMessagesResponse>().more());
}

// Nobody may take it for "there is none".
TEST_F(InspectionTest, ASearchThatIsCutShortBeforeItFindsAnythingSaysSo) {
  for (int i = 0; i < 200; ++i) Send({.body = "m", .keys = {"k"}});
  v1::QueryMessagesRequest nothing = ByKey("k");
  nothing.mutable_until()->set_seconds(1);
  EXPECT_EQ(Query(nothing).status().code(), v2::OK);
  const auto cut = Begin("QueryMessages", nothing, absl::InfinitePast());
  EXPECT_EQ(cut->Response<v1::QueryMessagesResponse>().status().code(), v2::TOO_MANY_REQUESTS);
}

TEST_F(InspectionTest, ATopicWithMoreQueuesThanThereIsTimeFor) {
  h_.CreateTopic(100, "wide");
  for (uint32_t i = 0; i < 100; ++i) Send({.body = "m", .queue = i, .topic = "wide"});
  EXPECT_EQ(Query(OfTopic("wide")).messages_size(), 32);
  const auto late = Begin("QueryMessages", OfTopic("wide"), absl::InfinitePast());
  const auto found = late->Response<v1::QueryMessagesResponse>();
  EXPECT_EQ(found.status().code(), v2::REQUEST_TIMEOUT);
  EXPECT_THAT(found.status().message(), HasSubstr("of the 100 queues of topic wide"));
}

TEST_F(InspectionTest, CopiesAreShownOnlyOnRequest) {
  h_.CreateGroup(StartPolicy::kEarliest, kGroup, /*max_attempts=*/1);
  Send({.body = "a", .keys = {"k"}});
  ASSERT_EQ(Harness::Bodies(h_.Receive()).size(), 1u);
  h_.Advance(absl::Seconds(31));
  v1::QueryMessagesRequest request = ById("a");
  EXPECT_EQ(Query(request).messages_size(), 1);
  request.set_copies(true);
  const auto found = Query(request);
  ASSERT_EQ(found.messages_size(), 2);
  const v1::FoundMessage& letter = found.messages(0);
  EXPECT_EQ(letter.message().topic().name(), "%DLQ%workers");
  EXPECT_EQ(letter.origin_topic(), kTopic);
  EXPECT_EQ(letter.origin_offset(), 0);
  EXPECT_EQ(letter.group(), kGroup);
  EXPECT_EQ(letter.attempts(), 1);
  EXPECT_NE(letter.reason(), "");
}

TEST_F(InspectionTest, WhatCannotBeReadHidesNothingElse) {
  for (const char* body : {"a", "b", "c"}) Send({.body = body});
  const store::QueueKey queue{h_.life().metadata.FindTopic(kTopic)->id, 0};
  h_.store().FailReads(queue, 1, absl::DataLossError("damaged"));
  EXPECT_THAT(IdsOf(Query(OfTopic(kTopic))), ElementsAre("c", "a"));
}

TEST_F(InspectionTest, AQueryThatAsksForNothingSensible) {
  const auto code = [this](const v1::QueryMessagesRequest& request) {
    return Query(request).status().code();
  };
  EXPECT_EQ(code({}), v2::BAD_REQUEST);
  v1::QueryMessagesRequest both = ByKey("k");
  both.set_message_id("id");
  EXPECT_EQ(code(both), v2::BAD_REQUEST);
  EXPECT_EQ(code(OfTopic("nobody")), v2::TOPIC_NOT_FOUND);
  v1::QueryMessagesRequest wrong = ByKey("k");
  wrong.mutable_from()->set_seconds(INT64_MAX);
  EXPECT_EQ(code(wrong), v2::BAD_REQUEST);
  h_.store().SetKeys(nullptr);
  EXPECT_EQ(code(ByKey("k")), v2::NOT_IMPLEMENTED);
  EXPECT_THAT(Query(ByKey("k")).status().message(), HasSubstr("store.key-index"));
  h_.store().RefuseColdJobs(true);
  EXPECT_EQ(code(ByKey("k")), v2::TOO_MANY_REQUESTS);
}

TEST_F(InspectionTest, AMessageByItsPlace) {
  Send({.body = "a", .keys = {"k"}});
  Send({.body = "b"});
  const auto found = Get(kTopic, 0, 1);
  EXPECT_EQ(found.status().code(), v2::OK);
  ASSERT_EQ(found.messages_size(), 1);
  EXPECT_EQ(found.messages(0).message().body(), "b");
  EXPECT_EQ(Get("nobody", 0, 0).status().code(), v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(Get(kTopic, 2, 0).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Get(kTopic, -1, 0).status().code(), v2::BAD_REQUEST);
  EXPECT_EQ(Get(kTopic, 0, -1).status().code(), v2::BAD_REQUEST);
  const auto none = Get(kTopic, 0, 2);
  EXPECT_EQ(none.status().code(), v2::MESSAGE_NOT_FOUND);
  EXPECT_THAT(none.status().message(), HasSubstr("before 2"));
}

}  // namespace
}  // namespace mansio::broker
