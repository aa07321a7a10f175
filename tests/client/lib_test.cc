// Tests of the parts of client/lib that need no server.
#include <set>
#include <string>

#include "apache/rocketmq/v2/definition.pb.h"
#include "client/lib/body.h"
#include "client/lib/message_id.h"
#include "client/lib/retry.h"
#include "client/lib/routes.h"
#include "client/lib/wire.h"
#include "common/status/wire_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mansio::client {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

TEST(MessageId, HasThePartsInOrder) {
  const absl::Time start = absl::FromUnixSeconds(1609459200 + 0x1234);  // 2021-01-01 and a bit
  MessageIdGenerator ids({0x02, 0x42, 0xAC, 0x11, 0x00, 0x0F}, 0xBEEF, start, 0xFFFFFFFF);
  EXPECT_EQ(ids.Next(), "010242AC11000FBEEF00001234FFFFFFFF");
  EXPECT_EQ(ids.Next(), "010242AC11000FBEEF0000123400000000");
}

TEST(MessageId, OfThisProcessIsWellFormedAndUnique) {
  MessageIdGenerator ids;
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = ids.Next();
    EXPECT_EQ(id.size(), 34u);
    EXPECT_THAT(id, MatchesRegex("01[0-9A-F]+"));
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Body, DigestsAsPublished) {
  EXPECT_EQ(Digest(DigestKind::kMd5, "abc"), "900150983CD24FB0D6963F7D28E17F72");
  EXPECT_EQ(Digest(DigestKind::kSha1, "abc"), "A9993E364706816ABA3E25717850C26C9CD0D89D");
  EXPECT_EQ(Digest(DigestKind::kCrc32, "123456789"), "CBF43926");
}

TEST(Body, ChecksumsMatchInEveryDialect) {
  EXPECT_TRUE(DigestMatches(DigestKind::kMd5, "900150983cd24fb0d6963f7d28e17f72", "abc"));
  EXPECT_FALSE(DigestMatches(DigestKind::kMd5, "900150983cd24fb0d6963f7d28e17f73", "abc"));
  EXPECT_TRUE(DigestMatches(DigestKind::kCrc32, "cbf43926", "123456789"));
  EXPECT_TRUE(DigestMatches(DigestKind::kCrc32, "0", ""));
  EXPECT_TRUE(DigestMatches(DigestKind::kCrc32, "00000000", ""));
  EXPECT_FALSE(DigestMatches(DigestKind::kCrc32, "1", ""));
}

TEST(Body, GunzipBoundsAndErrors) {
  // gzip of "hello", made with the gzip program.
  const std::string compressed(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00"
      "\x00\x00",
      25);
  EXPECT_EQ(*Gunzip(compressed, 5), "hello");
  EXPECT_TRUE(absl::IsResourceExhausted(Gunzip(compressed, 4).status()));
  EXPECT_TRUE(absl::IsDataLoss(Gunzip(compressed.substr(0, 20), 100).status()));
  EXPECT_TRUE(absl::IsDataLoss(Gunzip("not gzip", 100).status()));
}

RouteQueue Queue(const std::string& broker, int id, bool readable = true, bool writable = true) {
  return {broker, "at-" + broker, id, readable, writable};
}

std::vector<std::string> Names(const std::vector<RouteQueue>& queues) {
  std::vector<std::string> names;
  for (const RouteQueue& queue : queues)
    names.push_back(queue.broker + std::to_string(queue.queue_id));
  return names;
}

bool NoneIsolated(const std::string&) { return false; }

TEST(Routes, CandidatesAreDistinctBrokersFromTheStart) {
  const Route route = {Queue("a", 0), Queue("a", 1), Queue("b", 0), Queue("c", 0, true, false),
                       Queue("d", 0)};
  EXPECT_THAT(Names(SendCandidates(route, 0, 3, NoneIsolated)), ElementsAre("a0", "b0", "d0"));
  EXPECT_THAT(Names(SendCandidates(route, 1, 3, NoneIsolated)), ElementsAre("a1", "b0", "d0"));
  EXPECT_THAT(Names(SendCandidates(route, 3, 2, NoneIsolated)), ElementsAre("d0", "a0"));
  EXPECT_THAT(SendCandidates({Queue("a", 0, true, false)}, 0, 3, NoneIsolated), IsEmpty());
}

TEST(Routes, IsolatedBrokersComeLast) {
  const Route route = {Queue("a", 0), Queue("b", 0)};
  const auto a_is_isolated = [](const std::string& endpoint) { return endpoint == "at-a"; };
  EXPECT_THAT(Names(SendCandidates(route, 0, 3, a_is_isolated)), ElementsAre("b0", "a0"));
  EXPECT_THAT(Names(SendCandidates(route, 0, 3, [](const std::string&) { return true; })),
              ElementsAre("a0", "b0"));
}

TEST(Routes, GroupKeepsItsQueueAndGroupsSpread) {
  Route route;
  for (int id = 0; id < 8; ++id) route.push_back(Queue("a", id));
  std::set<int> used;
  for (int i = 0; i < 100; ++i) {
    const std::string group = "group-" + std::to_string(i);
    const RouteQueue* queue = QueueForGroup(route, group);
    ASSERT_NE(queue, nullptr);
    EXPECT_EQ(queue, QueueForGroup(route, group));
    used.insert(queue->queue_id);
  }
  EXPECT_EQ(used.size(), 8u);
  EXPECT_EQ(QueueForGroup({}, "g"), nullptr);
}

TEST(Routes, GroupHashIsThatOfTheOtherSdks) {
  // The first vector of the SipHash paper's reference test (empty input, key 00 … 0F) is
  // 0x726FDB47DD0E0E31: 49 modulo 64.
  Route route;
  for (int id = 0; id < 64; ++id) route.push_back(Queue("a", id));
  EXPECT_EQ(QueueForGroup(route, "")->queue_id, 0x31);
}

TEST(Routes, ReceivesGoAroundBrokersFirst) {
  const Route route = {Queue("a", 0), Queue("a", 1), Queue("b", 0), Queue("c", 0, false, true)};
  EXPECT_EQ(ReadableBrokers(route), 2u);
  std::vector<RouteQueue> turns;
  for (size_t turn = 0; turn < 5; ++turn) turns.push_back(*ReceiveQueue(route, turn));
  EXPECT_THAT(Names(turns), ElementsAre("a0", "b0", "a1", "b0", "a0"));
  EXPECT_EQ(ReceiveQueue({}, 0), nullptr);
}

TEST(Retry, OnlyWhatMayPass) {
  const auto server = [](v2::Code code, int attempts) {
    return DecideRetry(WireError(code, "x"), /*from_server=*/true, attempts);
  };
  EXPECT_TRUE(server(v2::INTERNAL_SERVER_ERROR, 1).retry);
  EXPECT_FALSE(server(v2::ILLEGAL_TOPIC, 1).retry);
  EXPECT_FALSE(server(v2::MESSAGE_BODY_TOO_LARGE, 1).retry);
  EXPECT_EQ(server(v2::TOO_MANY_REQUESTS, 1).delay, absl::Milliseconds(10));
  EXPECT_EQ(server(v2::TOO_MANY_REQUESTS, 3).delay, absl::Milliseconds(40));
  EXPECT_EQ(server(v2::TOO_MANY_REQUESTS, 50).delay, absl::Seconds(1));
  EXPECT_TRUE(DecideRetry(absl::UnavailableError("x"), /*from_server=*/false, 1).retry);
  EXPECT_FALSE(DecideRetry(absl::CancelledError("x"), /*from_server=*/false, 1).retry);
}

TEST(Wire, EndpointsBackAndForth) {
  for (const char* text :
       {"localhost:1", "1.2.3.4:8081", "[::1]:8081", "1.2.3.4:1;1.2.3.5:2", "[::1]:1;[::2]:2"}) {
    v2::Endpoints endpoints;
    ASSERT_TRUE(ParseEndpoints(text, &endpoints).ok()) << text;
    EXPECT_EQ(EndpointsText(endpoints), text);
  }
  v2::Endpoints endpoints;
  ASSERT_TRUE(ParseEndpoints("1.2.3.4:8081", &endpoints).ok());
  EXPECT_EQ(endpoints.scheme(), v2::IPv4);
  ASSERT_TRUE(ParseEndpoints("[::1]:8081", &endpoints).ok());
  EXPECT_EQ(endpoints.scheme(), v2::IPv6);
  ASSERT_TRUE(ParseEndpoints("broker:8081", &endpoints).ok());
  EXPECT_EQ(endpoints.scheme(), v2::DOMAIN_NAME);
  EXPECT_FALSE(ParseEndpoints("a:1;b:2", &endpoints).ok());
}

TEST(Wire, QueuesOfSlavesAreNotUsed) {
  v2::MessageQueue queue;
  queue.set_permission(v2::READ_WRITE);
  EXPECT_TRUE(ToRouteQueue(queue).writable);
  EXPECT_TRUE(ToRouteQueue(queue).readable);
  queue.mutable_broker()->set_id(1);
  EXPECT_FALSE(ToRouteQueue(queue).writable);
  EXPECT_FALSE(ToRouteQueue(queue).readable);
}

}  // namespace
}  // namespace mansio::client
