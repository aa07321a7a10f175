// Both ends of a relay: a node with clients, and a broker that has their topics.

#include "common/gateway/client_relay.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/time/clock.h"
#include "common/access/cluster_secret.h"
#include "common/gateway/relay_service.h"
#include "common/rpc/testing/fake_client.h"
#include "common/timer/timer_queue.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using Events = std::vector<std::string>;
using rpc::testing::FakeBidiCall;

class ClientRelayTest : public ::testing::Test {
 protected:
  ClientRelayTest() {
    directory_.masters = {{"a", {"192.0.2.1", 8081}}, {"b", {"192.0.2.2", 8081}}};
    directory_.routes["orders"] = TwoBrokers(1);
    directory_.routes["only-b"].brokers = {TwoBrokers(1).brokers[1]};
    broker_clients_.SetObserver(&observer_);
    service_.Register(broker_methods_);
    relay_.Start();
  }

  // The client says what it is, to the node.
  void Describe(const std::string& id, ClientRole role, const std::string& group,
                const std::vector<std::string>& topics) {
    ASSERT_TRUE(node_clients_.Describe(id, role, group, topics, "JAVA", "5", "1.2.3.4:5").ok());
    relay_.Changed(id);
    Pass();
  }
  // Lets time pass, and carries what the node has written to broker b.
  void Pass(int64_t ms = 0) {
    now_ms_ += ms;
    timers_.RunDue();
    rpc::testing::FakeClientStream* link = LinkTo("192.0.2.2:8081");
    if (link == nullptr) return;
    if (link != connected_) {
      if (events_ != nullptr) events_->OnClosed();
      connected_ = link;
      call_ = std::make_shared<FakeBidiCall>();
      events_ = broker_methods_.bidi.at(0).handler(call_);
      carried_ = 0;
    }
    for (; carried_ < link->written.size(); ++carried_) {
      events_->OnMessage(link->written[carried_]);
    }
  }
  // The newest link to an address.
  rpc::testing::FakeClientStream* LinkTo(const std::string& address) {
    for (auto it = peers_.streams.rbegin(); it != peers_.streams.rend(); ++it) {
      if ((*it)->call.address == address) return it->get();
    }
    return nullptr;
  }

  FakeClock clock_;
  FakeDirectory directory_;  // of the node, which is a nameserver
  ClientRegistry node_clients_{{}, &clock_};
  rpc::testing::FakeClient peers_;
  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  ClientRelay relay_{"nameserver x:1", {&directory_, &node_clients_, &peers_, &timers_}};

  ClientRegistry broker_clients_{{}, &clock_};
  RecordingObserver observer_;
  RelayService service_{&broker_clients_, &observer_};
  rpc::MethodTable broker_methods_;
  rpc::testing::FakeClientStream* connected_ = nullptr;
  std::shared_ptr<FakeBidiCall> call_;
  std::unique_ptr<rpc::BidiEvents> events_;
  size_t carried_ = 0;
};

TEST_F(ClientRelayTest, EveryBrokerWithATopicIsTold) {
  Describe("c1", ClientRole::kPushConsumer, "group", {"orders", "elsewhere"});
  EXPECT_EQ(peers_.streams.size(), 2u);
  EXPECT_EQ(LinkTo("192.0.2.1:8081")->call.path, "/mansio.v1.Relay/Connect");
  EXPECT_EQ(observer_.events, Events{"sub c1 group orders"});
  const auto info = broker_clients_.Find("c1");
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->role, ClientRole::kPushConsumer);
  EXPECT_EQ(info->group, "group");
  EXPECT_EQ(info->peer, "1.2.3.4:5");
  EXPECT_FALSE(info->stream_open);

  Describe("c2", ClientRole::kProducer, "", {"only-b"});
  EXPECT_TRUE(broker_clients_.Find("c2").has_value());
  EXPECT_EQ(LinkTo("192.0.2.1:8081")->written.size(), 1u) << "broker a has none of its topics";
}

// Streams that waited for a broker that changes its role come before the relay starts, and a client
// may say nothing more on them.
TEST_F(ClientRelayTest, WhoCameBeforeTheStartIsTold) {
  ClientRelay relay("broker c", {&directory_, &node_clients_, &peers_, &timers_});
  ASSERT_TRUE(
      node_clients_
          .Describe("early", ClientRole::kProducer, "", {"only-b"}, "JAVA", "5", "1.2.3.4:5")
          .ok());
  relay.Changed("early");
  Pass();
  EXPECT_TRUE(peers_.streams.empty());
  relay.Start();
  Pass();
  EXPECT_TRUE(broker_clients_.Find("early").has_value());
  relay.Stop();
}

TEST_F(ClientRelayTest, ALinkProvesToHaveTheClustersSecret) {
  constexpr char kSecret[] = "0123456789abcdef";
  relay_.Start(kSecret);
  Describe("c1", ClientRole::kPushConsumer, "group", {"orders"});
  const rpc::OutgoingCall& call = LinkTo("192.0.2.1:8081")->call;
  clock_.SetWall(absl::Now());
  access::ProofJudge judge(kSecret, &clock_);
  EXPECT_EQ(judge.Judge(call.path, rpc::testing::HeaderOf(call, access::kProofHeader)),
            absl::OkStatus());
}

TEST_F(ClientRelayTest, SignsOfLifeCountAtTheBroker) {
  Describe("c1", ClientRole::kSimpleConsumer, "group", {"orders"});
  const size_t told = LinkTo("192.0.2.2:8081")->written.size();
  for (int i = 0; i < 4; ++i) {
    clock_.Advance(absl::Seconds(60));
    ASSERT_TRUE(node_clients_.Touch("c1").ok());
    Pass(500);
    broker_clients_.ExpireSilent();
  }
  EXPECT_TRUE(broker_clients_.IsAlive(ClientHash("c1")));
  Pass(500);
  EXPECT_EQ(LinkTo("192.0.2.2:8081")->written.size(), told + 4) << "once for each";
  clock_.Advance(absl::Seconds(121));
  node_clients_.ExpireSilent();
  Pass(500);
  broker_clients_.ExpireSilent();
  EXPECT_FALSE(broker_clients_.IsAlive(ClientHash("c1")));
}

TEST_F(ClientRelayTest, CommandsReachTheClientThroughTheNode) {
  const auto telemetry = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(node_clients_.StreamOpened("p", telemetry).ok());
  Describe("p", ClientRole::kProducer, "", {"orders"});
  const auto streams = broker_clients_.ProducerStreams({"orders"});
  ASSERT_EQ(streams.at("orders").size(), 1u);
  v2::TelemetryCommand command;
  command.mutable_recover_orphaned_transaction_command()->set_transaction_id("tx");
  ASSERT_TRUE(streams.at("orders")[0]->Write(rpc::Payload(command.SerializeAsString())));
  const auto relayed = call_->Written<v1::RelayCommand>();
  ASSERT_EQ(relayed.size(), 1u);
  connected_->Element(relayed[0].SerializeAsString());
  EXPECT_EQ(connected_->reads, 1);
  const auto written = telemetry->Written<v2::TelemetryCommand>();
  ASSERT_EQ(written.size(), 1u);
  EXPECT_EQ(written[0].recover_orphaned_transaction_command().transaction_id(), "tx");

  const auto direct = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(broker_clients_.StreamOpened("p", direct).ok());
  EXPECT_EQ(broker_clients_.NewestStream("p"), direct) << "its own stream goes before";
  broker_clients_.StreamClosed("p", direct.get());
  node_clients_.StreamClosed("p", telemetry.get());
  relay_.Changed("p");
  Pass();
  EXPECT_EQ(broker_clients_.NewestStream("p"), nullptr);
}

TEST_F(ClientRelayTest, APublishedTopicCountsAsOneOfItsOwn) {
  ASSERT_TRUE(node_clients_.NotePublished("p", "orders").ok());
  const auto telemetry = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(node_clients_.StreamOpened("p", telemetry).ok());
  relay_.Changed("p");
  Pass();
  EXPECT_EQ(broker_clients_.ProducerStreams({"orders"}).size(), 1u);
}

TEST_F(ClientRelayTest, AnAssignmentIsASubscription) {
  Describe("c1", ClientRole::kPushConsumer, "group", {});
  EXPECT_TRUE(peers_.streams.empty());
  relay_.Subscribed("c1", "orders");
  Pass();
  EXPECT_EQ(observer_.events, Events{"sub c1 group orders"});
}

TEST_F(ClientRelayTest, WhatNodesSayIsAddedToWhatTheClientSays) {
  const auto direct = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(broker_clients_.StreamOpened("p", direct).ok());
  ASSERT_TRUE(
      broker_clients_.Describe("p", ClientRole::kProducer, "", {"mine"}, "CPP", "6", "5.6.7.8:9")
          .ok());
  Describe("p", ClientRole::kProducer, "", {"orders", "elsewhere"});
  const auto both = broker_clients_.Find("p");
  EXPECT_EQ(both->topics, (std::vector<std::string>{"mine", "orders"}));
  EXPECT_EQ(both->language, "CPP");
  EXPECT_EQ(broker_clients_.ProducerStreams({"mine", "orders"}).size(), 2u);
  EXPECT_EQ(broker_clients_.FindHere("p")->topics, std::vector<std::string>{"mine"});
  node_clients_.Terminate("p");
  relay_.Changed("p");  // as one that was lost there
  Pass();
  EXPECT_EQ(broker_clients_.Find("p")->topics, std::vector<std::string>{"mine"});
}

TEST_F(ClientRelayTest, TerminationEndsTheClientAtOnce) {
  Describe("c1", ClientRole::kPushConsumer, "group", {"orders"});
  observer_.events.clear();
  node_clients_.Terminate("c1");
  relay_.Terminated("c1");
  Pass();
  EXPECT_EQ(observer_.events, Events{"dead c1"});
  relay_.Terminated("never seen");
  Pass();
}

TEST_F(ClientRelayTest, ALostLinkIsOpenedAgainWithEverything) {
  const auto telemetry = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(node_clients_.StreamOpened("p", telemetry).ok());
  Describe("p", ClientRole::kProducer, "", {"only-b"});
  ASSERT_TRUE(broker_clients_.Find("p")->stream_open);
  connected_->End(absl::UnavailableError("restarted"));
  events_->OnClosed();
  events_ = nullptr;
  EXPECT_FALSE(broker_clients_.Find("p")->stream_open);
  EXPECT_EQ(peers_.streams.size(), 1u);
  for (int tick = 0; tick < 4; ++tick) Pass(500);
  EXPECT_EQ(peers_.streams.size(), 2u);
  EXPECT_TRUE(broker_clients_.Find("p")->stream_open);
}

TEST_F(ClientRelayTest, ALinkThatIsFullIsToldTheRestLater) {
  Describe("c1", ClientRole::kProducer, "", {"only-b"});
  rpc::testing::FakeClientStream* const link = connected_;
  link->refuses_writes = true;
  Describe("c2", ClientRole::kProducer, "", {"only-b"});
  Describe("c3", ClientRole::kProducer, "", {"only-b"});
  node_clients_.Terminate("c1");
  relay_.Terminated("c1");
  Pass(500);
  link->refuses_writes = false;
  for (int tick = 0; tick < 3; ++tick) Pass(500);
  EXPECT_FALSE(link->cancelled);
  EXPECT_FALSE(broker_clients_.Find("c1").has_value());
  EXPECT_TRUE(broker_clients_.Find("c2").has_value());
  EXPECT_TRUE(broker_clients_.Find("c3").has_value());
  link->refuses_writes = true;
  Describe("c4", ClientRole::kProducer, "", {"only-b"});
  for (int tick = 0; tick < 40; ++tick) Pass(500);
  EXPECT_TRUE(link->cancelled);
}

TEST_F(ClientRelayTest, MuchToTellGoesInPieces) {
  std::vector<std::string> topics;
  for (int i = 0; i < 1000; ++i) {
    topics.push_back(std::string(120, 'x') + std::to_string(i));
    directory_.routes[topics.back()] = directory_.routes["only-b"];
  }
  for (int i = 0; i < 20; ++i) {
    const std::string id = "c" + std::to_string(i);
    ASSERT_TRUE(node_clients_.Describe(id, ClientRole::kProducer, "", topics, "", "", "").ok());
    relay_.Changed(id);
  }
  Pass(500);
  for (int round = 0; round < 10; ++round) Pass(20);
  EXPECT_EQ(broker_clients_.size(), 20u) << "soon, as long as the stream takes it";
  for (const std::string& update : connected_->written) EXPECT_LT(update.size(), 2u << 20);
}

TEST_F(ClientRelayTest, WhatCannotBeIsNotEntered) {
  v1::RelayUpdate update;
  update.add_clients()->set_id("");
  v1::RelayedClient* client = update.add_clients();
  client->set_id("c");
  client->set_type(v2::SIMPLE_CONSUMER);
  client->set_group("il legal");
  const auto call = std::make_shared<FakeBidiCall>();
  const auto events = broker_methods_.bidi.at(0).handler(call);
  events->OnMessage(update.SerializeAsString());
  EXPECT_EQ(broker_clients_.size(), 0u);
  EXPECT_FALSE(call->finished());
}

// One of two brokers that a client talks to at the same time.
struct Node {
  Node(const std::string& self, const Clock* clock)
      : clients({}, clock), relay("broker " + self, {&directory, &clients, &peers, &timers}) {
    directory.self = self;
    directory.masters = {{"a", {"192.0.2.1", 8081}}, {"b", {"192.0.2.2", 8081}}};
    directory.routes["orders"] = TwoBrokers(1);
    service.Register(methods);
    clients.SetObserver(&observer);
    relay.Start();
  }
  int64_t now_ms = 0;
  TimerQueue timers{[this] { return now_ms; }};
  FakeDirectory directory;
  ClientRegistry clients;
  rpc::testing::FakeClient peers;
  ClientRelay relay;
  RecordingObserver observer;
  RelayService service{&clients, &observer};
  rpc::MethodTable methods;
  // As the server of the other's link.
  std::shared_ptr<FakeBidiCall> call = std::make_shared<FakeBidiCall>();
  std::unique_ptr<rpc::BidiEvents> events;
  size_t carried_in = 0;
  size_t carried_out = 0;
};

// Carries what `from` says to `to`, and what `to` answers.
bool Carry(Node& from, Node& to) {
  if (from.peers.streams.empty()) return false;
  auto& link = *from.peers.streams[0];
  if (to.events == nullptr) to.events = to.methods.bidi.at(0).handler(to.call);
  bool any = false;
  for (; to.carried_in < link.written.size(); ++to.carried_in, any = true) {
    to.events->OnMessage(link.written[to.carried_in]);
  }
  const auto commands = to.call->Written<v1::RelayCommand>();
  for (; to.carried_out < commands.size(); ++to.carried_out, any = true) {
    link.Element(commands[to.carried_out].SerializeAsString());
    if (to.carried_out > 100) return true;
  }
  return any;
}

TEST(TwoBrokersRelayTest, AClientThatIsDeadForBothDies) {
  FakeClock clock;
  Node a("a", &clock), b("b", &clock);
  auto ta = std::make_shared<FakeBidiCall>(), tb = std::make_shared<FakeBidiCall>();
  ASSERT_TRUE(a.clients.StreamOpened("c", ta).ok());
  ASSERT_TRUE(b.clients.StreamOpened("c", tb).ok());
  for (Node* n : {&a, &b}) {
    ASSERT_TRUE(
        n->clients.Describe("c", ClientRole::kProducer, "", {"orders"}, "JAVA", "5", "p:1").ok());
    n->relay.Changed("c");
  }
  const auto pass = [&](int64_t ms) {
    clock.Advance(absl::Milliseconds(ms));
    for (Node* n : {&a, &b}) {
      n->now_ms += ms;
      n->timers.RunDue();
    }
    Carry(a, b);
    Carry(b, a);
    a.clients.ExpireSilent();
    b.clients.ExpireSilent();
  };
  pass(0);
  pass(500);
  // kill -9: both connections are reset.
  a.clients.StreamClosed("c", ta.get());
  a.relay.Changed("c");
  b.clients.StreamClosed("c", tb.get());
  b.relay.Changed("c");
  for (int i = 0; i < 2 * 3600; ++i) pass(500);  // an hour
  EXPECT_FALSE(a.clients.IsAlive(ClientHash("c")));
  EXPECT_FALSE(b.clients.IsAlive(ClientHash("c")));
  const auto stream = a.clients.NewestStream("c");
  EXPECT_EQ(stream, nullptr) << "a stream to a client that has none";
  if (stream == nullptr) return;
  v2::TelemetryCommand command;
  command.mutable_recover_orphaned_transaction_command()->set_transaction_id("tx");
  stream->Write(rpc::Payload(command.SerializeAsString()));
  int rounds = 0;
  while (rounds < 50 && (int{Carry(b, a)} + int{Carry(a, b)} > 0)) ++rounds;
  EXPECT_LT(rounds, 50) << "the command goes to and fro for ever";
}

}  // namespace
}  // namespace mansio::gateway
