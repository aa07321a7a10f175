#include "common/gateway/client_registry.h"

#include <gtest/gtest.h>

#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

using ::mansio::rpc::testing::FakeBidiCall;
using Events = std::vector<std::string>;

class ClientRegistryTest : public ::testing::Test {
 protected:
  ClientRegistryTest() { registry_.SetObserver(&observer_); }

  bool Alive(std::string_view id) const { return registry_.IsAlive(ClientHash(id)); }
  void Pass(absl::Duration time) {
    clock_.Advance(time);
    registry_.ExpireSilent();
  }

  FakeClock clock_;
  RecordingObserver observer_;
  ClientRegistry registry_{{.max_clients = 2}, &clock_};
};

TEST_F(ClientRegistryTest, IsAliveForTwoMinutesAfterTheLastCall) {
  EXPECT_FALSE(Alive("a"));
  ASSERT_TRUE(registry_.Touch("a").ok());
  Pass(absl::Seconds(119));
  EXPECT_TRUE(Alive("a"));
  ASSERT_TRUE(registry_.Touch("a").ok());
  Pass(absl::Seconds(119));
  EXPECT_TRUE(Alive("a"));
  Pass(absl::Seconds(1));
  EXPECT_FALSE(Alive("a"));
  EXPECT_EQ(observer_.events, Events{"dead a"});
  EXPECT_EQ(registry_.size(), 0u);
}

TEST_F(ClientRegistryTest, AllClientsTogetherNameABoundedNumberOfTopics) {
  const auto describe = [this](std::string_view id, size_t topics) {
    return registry_
        .Describe(id, ClientRole::kProducer, "",
                  std::vector<std::string>(topics, std::string(100, 't')), std::string(1000, 'l'),
                  std::string(1000, 'v'), "peer")
        .code();
  };
  EXPECT_EQ(describe("a", 5000), absl::StatusCode::kOk);  // more than its share
  EXPECT_EQ(registry_.Find("a")->language.size(), 64u);
  EXPECT_EQ(registry_.Find("a")->version.size(), 64u);
  EXPECT_EQ(describe("b", 5000), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(registry_.Find("b")->topics.empty());
  EXPECT_EQ(describe("a", 10000), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(registry_.Find("a")->topics.size(), 5000u);
  EXPECT_EQ(describe("a", 1000), absl::StatusCode::kOk);
  EXPECT_EQ(describe("b", 5000), absl::StatusCode::kOk);
  registry_.Terminate("b");
  EXPECT_EQ(describe("a", 6000), absl::StatusCode::kOk);
  // What it has sent to counts, too.
  int noted = 0;
  while (registry_.NotePublished("a", std::string(1000, 'p') + std::to_string(noted)).ok()) ++noted;
  EXPECT_GT(noted, 100);
  EXPECT_LT(noted, 1000);
  EXPECT_TRUE(registry_.NotePublished("a", std::string(1000, 'p') + "0").ok());
  EXPECT_EQ(describe("b", 100), absl::StatusCode::kResourceExhausted);
}

TEST_F(ClientRegistryTest, DiesSoonerOnceItsLastStreamIsClosed) {
  const auto older = std::make_shared<FakeBidiCall>();
  const auto newer = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("a", older).ok());
  ASSERT_TRUE(registry_.StreamOpened("a", newer).ok());
  Pass(absl::Seconds(60));
  registry_.StreamClosed("a", older.get());
  Pass(absl::Seconds(50));
  EXPECT_TRUE(Alive("a"));
  EXPECT_EQ(registry_.NewestStream("a"), newer);

  ASSERT_TRUE(registry_.Touch("a").ok());
  registry_.StreamClosed("a", newer.get());
  EXPECT_EQ(registry_.NewestStream("a"), nullptr);
  Pass(absl::Seconds(34));
  EXPECT_TRUE(Alive("a"));
  Pass(absl::Seconds(1));
  EXPECT_FALSE(Alive("a"));
}

TEST_F(ClientRegistryTest, ClosingTheNewestStreamGoesBackToAnOlderOne) {
  const auto older = std::make_shared<FakeBidiCall>();
  const auto newer = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("a", older).ok());
  ASSERT_TRUE(registry_.StreamOpened("a", newer).ok());
  registry_.StreamClosed("a", newer.get());
  EXPECT_EQ(registry_.NewestStream("a"), older);
}

TEST_F(ClientRegistryTest, ASignOfLifeFindsTheOpenStreamOfASilentClient) {
  const auto stream = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("a", stream).ok());
  Pass(absl::Seconds(120));
  EXPECT_FALSE(Alive("a"));
  EXPECT_EQ(registry_.NewestStream("a"), nullptr);
  ASSERT_TRUE(registry_.Touch("a").ok());
  EXPECT_TRUE(Alive("a"));
  EXPECT_EQ(registry_.NewestStream("a"), stream);
  EXPECT_EQ(observer_.events, Events{"dead a"});
}

TEST_F(ClientRegistryTest, ALostStreamOfAClientThatLivesIsTold) {
  const auto stream = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("a", stream).ok());
  EXPECT_EQ(registry_.FindHere("a")->streams_lost, 0u);
  registry_.StreamClosed("a", stream.get());
  EXPECT_EQ(observer_.events, Events{"stream of a lost"});
  registry_.StreamClosed("a", stream.get());
  EXPECT_EQ(observer_.events.size(), 1u) << "it was lost already";
  EXPECT_EQ(registry_.FindHere("a")->streams_lost, 1u) << "as other nodes are told";
}

TEST_F(ClientRegistryTest, AStreamLostAtAnotherNodeOrWithTheWayToItIsTold) {
  const int link = 0;
  const auto relayed = std::make_shared<FakeBidiCall>();
  ClientInfo info{.id = "a", .role = ClientRole::kPushConsumer, .group = "g", .streams_lost = 4};
  ASSERT_TRUE(registry_.Relay(&link, info, relayed).ok());
  ASSERT_TRUE(registry_.Relay(&link, info, relayed).ok());
  EXPECT_TRUE(observer_.events.empty()) << "before this node was told of it";
  // It has another one already.
  info.streams_lost = 5;
  ASSERT_TRUE(registry_.Relay(&link, info, relayed).ok());
  EXPECT_EQ(observer_.events, Events{"stream of a lost"});
  registry_.RelayGone(&link, "a");
  EXPECT_EQ(observer_.events, (Events{"stream of a lost", "stream of a lost"}));
}

TEST_F(ClientRegistryTest, TerminationIsToldOnce) {
  const auto stream = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("a", stream).ok());
  registry_.Terminate("a");
  registry_.Terminate("a");
  registry_.Terminate("never seen");
  EXPECT_FALSE(Alive("a"));
  EXPECT_EQ(observer_.events, Events{"dead a"});
  EXPECT_EQ(registry_.size(), 1u) << "its stream is still open";
  registry_.StreamClosed("a", stream.get());
  EXPECT_EQ(registry_.size(), 0u);
  Pass(absl::Seconds(200));
  EXPECT_EQ(observer_.events, Events{"dead a"});
}

TEST_F(ClientRegistryTest, RefusesAClientTooManyAndServesTheOthers) {
  ASSERT_TRUE(registry_.Touch("a").ok());
  ASSERT_TRUE(registry_.Touch("b").ok());
  const absl::Status refused = registry_.Touch("c");
  EXPECT_EQ(CodeOf(refused), apache::rocketmq::v2::TOO_MANY_REQUESTS);
  EXPECT_NE(refused.message().find("2 clients"), std::string::npos) << refused;
  EXPECT_TRUE(registry_.Touch("a").ok());
  registry_.Terminate("b");
  EXPECT_TRUE(registry_.Touch("c").ok());
}

TEST_F(ClientRegistryTest, ListsAndFindsWhatWasDescribed) {
  ASSERT_TRUE(registry_
                  .Describe("b", ClientRole::kPushConsumer, "g1", {"t1", "t2"}, "JAVA", "5.1.0",
                            "192.0.2.9:1")
                  .ok());
  ASSERT_TRUE(registry_.Describe("a", ClientRole::kSimpleConsumer, "g2", {}, "", "", "").ok());
  EXPECT_EQ(registry_.List("").size(), 2u);
  EXPECT_EQ(registry_.List("").front().id, "a");
  ASSERT_EQ(registry_.List("g1").size(), 1u);
  const ClientInfo info = registry_.Find("b").value();
  EXPECT_EQ(info.role, ClientRole::kPushConsumer);
  EXPECT_EQ(info.group, "g1");
  EXPECT_EQ(info.topics, (std::vector<std::string>{"t1", "t2"}));
  EXPECT_EQ(info.language, "JAVA");
  EXPECT_EQ(info.peer, "192.0.2.9:1");
  EXPECT_FALSE(info.stream_open);
  EXPECT_FALSE(registry_.Find("c").has_value());
}

TEST_F(ClientRegistryTest, PagesAreInTheOrderOfIds) {
  ClientRegistry registry({}, &clock_);
  for (const char* id : {"d", "a", "c", "e", "b"}) ASSERT_TRUE(registry.Touch(id).ok());
  const auto ids = [&registry](std::string_view after, size_t limit) {
    std::string text;
    for (const ClientInfo& client : registry.List("", after, limit)) text += client.id;
    return text;
  };
  EXPECT_EQ(ids("", 2), "ab");
  EXPECT_EQ(ids("b", 2), "cd");
  EXPECT_EQ(ids("d", 2), "e");
  EXPECT_EQ(ids("e", 2), "");
  EXPECT_EQ(ids("", 0), "");
  EXPECT_EQ(ids("", 100), "abcde");
}

TEST_F(ClientRegistryTest, WhatALostLinkToldGoesWhenTheClientSaysItself) {
  const int link = 0;
  ClientInfo told{.id = "a", .role = ClientRole::kProducer, .topics = {"old"}};
  ASSERT_TRUE(registry_.Relay(&link, told, nullptr).ok());
  registry_.RelayGone(&link, "a");
  EXPECT_EQ(registry_.Find("a")->topics, std::vector<std::string>{"old"});
  ASSERT_TRUE(registry_.Describe("a", ClientRole::kProducer, "", {"new"}, "", "", "").ok());
  EXPECT_EQ(registry_.Find("a")->topics, std::vector<std::string>{"new"});
}

TEST(ClientHashTest, IsTheSameOnEveryNode) {
  // Held fast: lease records keep it across restarts.
  EXPECT_EQ(ClientHash("host@1@0@abc"), ClientHash("host@1@0@abc"));
  EXPECT_NE(ClientHash("host@1@0@abc"), ClientHash("host@1@0@abd"));
  EXPECT_EQ(ClientHash("client"), uint64_t{3748831026007926201});
}

TEST_F(ClientRegistryTest, FindsTheStreamsOfATopicsProducers) {
  const auto stream_a = std::make_shared<FakeBidiCall>();
  const auto newer_a = std::make_shared<FakeBidiCall>();
  const auto stream_b = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(registry_.StreamOpened("b", stream_b).ok());
  ASSERT_TRUE(registry_.StreamOpened("a", stream_a).ok());
  ASSERT_TRUE(registry_.StreamOpened("a", newer_a).ok());
  ASSERT_TRUE(registry_.Describe("a", ClientRole::kProducer, "", {"orders"}, "", "", "").ok());
  ASSERT_TRUE(registry_.Describe("b", ClientRole::kPushConsumer, "g", {"orders"}, "", "", "").ok());

  auto found = registry_.ProducerStreams({"orders", "other"});
  EXPECT_EQ(found.size(), 1u);
  ASSERT_EQ(found["orders"].size(), 1u);
  EXPECT_EQ(found["orders"][0], newer_a);

  // Who sends to a topic is a producer of it, whatever its settings say; until it is dead.
  ASSERT_TRUE(registry_.NotePublished("b", "other").ok());
  found = registry_.ProducerStreams({"orders", "other"});
  ASSERT_EQ(found["other"].size(), 1u);
  EXPECT_EQ(found["other"][0], stream_b);
  registry_.Terminate("b");
  ASSERT_TRUE(registry_.Touch("b").ok());
  EXPECT_TRUE(registry_.ProducerStreams({"other"}).empty());
}

}  // namespace
}  // namespace mansio::gateway
