// A nameserver on a real port, brokers that register with it, and a client that asks it.

#include "nameserver/nameserver.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>

#include "absl/time/clock.h"
#include "apache/rocketmq/v2/service.grpc.pb.h"
#include "broker/registration/cluster_watch.h"
#include "broker/registration/registration_client.h"
#include "common/clock/clock.h"
#include "common/gateway/forwarder.h"
#include "common/gateway/public_service.h"
#include "common/logging/logging.h"
#include "common/net/address.h"
#include "common/rpc/proto_call.h"
#include "common/rpc/server.h"
#include "common/status/wire_status.h"
#include "mansio/v1/admin.grpc.pb.h"
#include "nameserver/routing_table.h"
#include "tests/broker/registration/fake_source.h"
#include "tests/nameserver/testing.h"

namespace mansio::nameserver {
namespace {

namespace v2 = apache::rocketmq::v2;
using broker::FakeSource;
using broker::RegistrationClient;
using ::testing::HasSubstr;

// Waits for what other threads bring about.
bool Eventually(const std::function<bool()>& condition) {
  for (const absl::Time end = absl::Now() + absl::Seconds(30); absl::Now() < end;) {
    if (condition()) return true;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return false;
}

// Answers mansio.v1.Admin from a FakeSource, as far as the tests need it, and registers that.
class FakeBroker {
 public:
  FakeBroker(const std::string& name, std::vector<std::string> nameservers) {
    rpc::MethodTable methods;
    methods.unary.push_back(
        {"/mansio.v1.Admin/CreateTopic",
         rpc::ParsedUnary<v1::CreateTopicRequest>(
             [this](rpc::UnaryCall& call, const v1::CreateTopicRequest& request) {
               v1::CreateTopicResponse response;
               ToWire(refusal, response.mutable_status());
               if (refusal.ok()) {
                 source.SetTopic(request.topic().name(), 8);
                 *response.mutable_topic() = *source.FindTopic(request.topic().name());
               }
               rpc::Reply(call, response);
             })});
    methods.unary.push_back(
        {"/mansio.v1.Admin/DescribeTopic",
         rpc::ParsedUnary<v1::DescribeTopicRequest>(
             [this](rpc::UnaryCall& call, const v1::DescribeTopicRequest& request) {
               rpc::Reply(call, Describe(request.name()));
             })});
    methods.unary.push_back({gateway::MessagingPath("SendMessage"), [name](rpc::UnaryCall& call) {
                               v2::SendMessageResponse response;
                               response.mutable_status()->set_code(v2::OK);
                               response.mutable_status()->set_message(
                                   "from " + name + ", through " +
                                   std::string(call.Metadata(gateway::kForwardedBy)));
                               rpc::Reply(call, response);
                             }});
    methods.server_stream.push_back(
        {gateway::MessagingPath("ReceiveMessage"), [](rpc::ServerStreamCall& call) {
           v2::ReceiveMessageResponse element;
           element.mutable_status()->set_code(v2::OK);
           std::vector<rpc::Payload> elements;
           elements.push_back(rpc::Encode(element));
           element.mutable_message()->set_body(std::string(kBodyBytes, 'x'));
           for (int i = 0; i < kReceived; ++i) elements.push_back(rpc::Encode(element));
           call.Finish(std::move(elements), [](bool) {});
         }});
    methods.server_stream.push_back(
        {gateway::MessagingPath("PullMessage"), [this](rpc::ServerStreamCall& call) {
           ++pulls_waiting;
           call.OnCancel([this, &call] {
             --pulls_waiting;
             call.Finish({}, [](bool) {});
           });
         }});
    server_ = rpc::Server::Start({.listen = "127.0.0.1:0", .generated_dir = ::testing::TempDir()},
                                 std::move(methods))
                  .value();
    const net::HostPort address = net::ParseHostPort(server_->Address()).value();
    v1::BrokerIdentity identity = Identity(name, address.host);
    identity.mutable_addresses(0)->set_port(address.port);
    source.SetIdentity(identity);
    registration = std::make_unique<RegistrationClient>(
        broker::RegistrationOptions{.nameservers = std::move(nameservers),
                                    .keep_alive = absl::Milliseconds(50),
                                    .first_pause = absl::Milliseconds(10),
                                    .longest_pause = absl::Milliseconds(50)},
        &source);
    registration->Start();
  }
  ~FakeBroker() {
    registration->Stop();
    server_->Shutdown(absl::ZeroDuration());
  }

  std::string address() const { return server_->Address(); }

  // What a receive gets.
  static constexpr int kReceived = 12;
  static constexpr size_t kBodyBytes = 100'000;

  FakeSource source;
  absl::Status refusal;  // set before calls: what CreateTopic answers
  std::atomic<int> pulls_waiting{0};
  std::unique_ptr<RegistrationClient> registration;

 private:
  v1::DescribeTopicResponse Describe(const std::string& name) {
    v1::DescribeTopicResponse response;
    const auto topic = source.FindTopic(name);
    ToWire(topic ? absl::OkStatus() : WireError(v2::TOPIC_NOT_FOUND, "no such topic"),
           response.mutable_status());
    if (!topic) return response;
    *response.mutable_topic() = *topic;
    response.add_queues()->set_next_offset(12);
    return response;
  }

  std::unique_ptr<rpc::Server> server_;
};

class NameserverTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Nameserver> StartNameserver(const std::string& listen = "127.0.0.1:0") {
    const auto config = config::ParseConfig(
        NameserverSchema(), "", "",
        {"listen=" + listen, "tls.generated-dir=" + ::testing::TempDir(), "threads.rpc=1"});
    static const auto* const clock = new RealClock();
    auto nameserver = Nameserver::Start(config.value(), clock);
    EXPECT_TRUE(nameserver.ok()) << nameserver.status();
    return *std::move(nameserver);
  }
  static bool Knows(const Nameserver& nameserver, std::string_view topic, size_t brokers = 1) {
    return Eventually([&] {
      const auto route = nameserver.table().Route(topic);
      return (route.ok() ? route->brokers.size() : 0) == brokers;
    });
  }
  template <typename Service>
  static std::unique_ptr<typename Service::Stub> Connect(const std::string& address) {
    return Service::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  }
  static void Prepare(grpc::ClientContext& context) {
    context.AddMetadata("x-mq-client-id", "client-1");
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  }
};

TEST_F(NameserverTest, ABrokersTopicsAppearChangeAndGo) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {nameserver->Address()});
  broker.source.SetTopic("first", 4);
  EXPECT_TRUE(Knows(*nameserver, "first"));
  broker.source.SetTopic("second", 2);
  broker.source.SetGroup("group");
  EXPECT_TRUE(Knows(*nameserver, "second"));
  EXPECT_TRUE(Eventually([&] { return nameserver->table().Groups().size() == 1; }));
  broker.source.DeleteTopic("first");
  EXPECT_TRUE(Knows(*nameserver, "first", 0));
  broker.registration->Stop();
  EXPECT_TRUE(Eventually([&] { return nameserver->table().Brokers().empty(); }))
      << "a lost stream takes the broker out of the routes";
}

TEST_F(NameserverTest, ManyTopicsComeInParts) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {});
  for (int i = 0; i < 2500; ++i) broker.source.SetTopic("topic-" + std::to_string(i), 1);
  RegistrationClient client({.nameservers = {nameserver->Address()}}, &broker.source);
  client.Start();
  EXPECT_TRUE(Eventually([&] { return nameserver->table().Topics().size() == 2500; }));
  EXPECT_TRUE(Eventually([&] { return client.States().at(0).registered; }));
  client.Stop();
}

TEST_F(NameserverTest, ARestartedNameserverIsToldEverythingAgain) {
  logging::LogCapture log;
  auto nameserver = StartNameserver();
  const std::string address = nameserver->Address();
  FakeBroker broker("a", {address});
  broker.source.SetTopic("orders", 4);
  ASSERT_TRUE(Knows(*nameserver, "orders"));
  nameserver.reset();
  ASSERT_TRUE(Eventually([&] { return !broker.registration->States().at(0).registered; }));
  broker.source.SetTopic("meanwhile", 4);
  nameserver = StartNameserver(address);
  EXPECT_TRUE(Knows(*nameserver, "orders"));
  EXPECT_TRUE(Knows(*nameserver, "meanwhile"));
  EXPECT_TRUE(log.Contains("registered with nameserver " + address));
  EXPECT_TRUE(log.Contains("lost nameserver " + address));
}

TEST_F(NameserverTest, SeveralNameserversStandSideBySide) {
  auto first = StartNameserver();
  const auto second = StartNameserver();
  FakeBroker a("a", {first->Address(), second->Address(), "127.0.0.1:1"});
  FakeBroker b("b", {first->Address(), second->Address()});
  a.source.SetTopic("orders", 4);
  b.source.SetTopic("orders", 4);
  EXPECT_TRUE(Knows(*first, "orders", 2));
  EXPECT_TRUE(Knows(*second, "orders", 2));
  first.reset();
  a.source.SetTopic("later", 4);
  EXPECT_TRUE(Knows(*second, "later"));
  const auto states = a.registration->States();
  ASSERT_EQ(states.size(), 3u);
  EXPECT_TRUE(states[1].registered);
  EXPECT_FALSE(states[2].registered);
  EXPECT_TRUE(Eventually([&] { return !a.registration->States()[2].last_error.empty(); }));
}

TEST_F(NameserverTest, IsAnAccessPointForEveryCall) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {nameserver->Address()});
  broker.source.SetTopic("orders", 4);
  ASSERT_TRUE(Knows(*nameserver, "orders"));
  const auto stub = Connect<v2::MessagingService>(nameserver->Address());

  v2::QueryRouteRequest query;
  query.mutable_topic()->set_name("orders");
  v2::QueryRouteResponse route;
  grpc::ClientContext query_context;
  Prepare(query_context);
  ASSERT_TRUE(stub->QueryRoute(&query_context, query, &route).ok());
  ASSERT_EQ(route.message_queues_size(), 4);
  const v2::Broker& listed = route.message_queues(0).broker();
  EXPECT_EQ(listed.endpoints().scheme(), v2::IPv4);
  EXPECT_EQ(broker.address(),
            "127.0.0.1:" + std::to_string(listed.endpoints().addresses(0).port()));

  v2::SendMessageRequest message;
  message.add_messages()->mutable_topic()->set_name("orders");
  v2::SendMessageResponse sent;
  grpc::ClientContext send_context;
  Prepare(send_context);
  ASSERT_TRUE(stub->SendMessage(&send_context, message, &sent).ok());
  EXPECT_EQ(sent.status().code(), v2::OK) << sent.status().message();
  EXPECT_THAT(sent.status().message(), HasSubstr("from a, through nameserver"));

  grpc::ClientContext receive_context;
  Prepare(receive_context);
  v2::ReceiveMessageRequest receive;
  receive.mutable_message_queue()->mutable_topic()->set_name("orders");
  receive.mutable_message_queue()->mutable_broker()->set_name("a");
  const auto stream = stub->ReceiveMessage(&receive_context, receive);
  v2::ReceiveMessageResponse element;
  ASSERT_TRUE(stream->Read(&element));
  EXPECT_EQ(element.status().code(), v2::OK);
  for (int i = 0; i < FakeBroker::kReceived; ++i) {
    ASSERT_TRUE(stream->Read(&element));
    EXPECT_EQ(element.message().body().size(), FakeBroker::kBodyBytes);
  }
  EXPECT_FALSE(stream->Read(&element));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(NameserverTest, ACallEndsWithItsClient) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {nameserver->Address()});
  broker.source.SetTopic("orders", 4);
  ASSERT_TRUE(Knows(*nameserver, "orders"));
  const auto stub = Connect<v2::MessagingService>(nameserver->Address());
  grpc::ClientContext context;
  Prepare(context);
  v2::PullMessageRequest pull;
  pull.mutable_message_queue()->mutable_topic()->set_name("orders");
  const auto stream = stub->PullMessage(&context, pull);
  ASSERT_TRUE(Eventually([&] { return broker.pulls_waiting == 1; }));
  context.TryCancel();
  EXPECT_TRUE(Eventually([&] { return broker.pulls_waiting == 0; })) << "cancelled at the owner";
}

TEST_F(NameserverTest, AnOwnerThatIsGoneIsATextAndACode) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {nameserver->Address()});
  v1::BrokerIdentity elsewhere = Identity("b", "127.0.0.1");
  elsewhere.mutable_addresses(0)->set_port(1);
  FakeSource source;
  source.SetIdentity(elsewhere);
  source.SetTopic("lost", 4);
  RegistrationClient registration({.nameservers = {nameserver->Address()}}, &source);
  registration.Start();
  ASSERT_TRUE(Knows(*nameserver, "lost"));
  const auto stub = Connect<v2::MessagingService>(nameserver->Address());
  v2::SendMessageRequest message;
  message.add_messages()->mutable_topic()->set_name("lost");
  v2::SendMessageResponse sent;
  grpc::ClientContext context;
  Prepare(context);
  ASSERT_TRUE(stub->SendMessage(&context, message, &sent).ok());
  EXPECT_EQ(sent.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_THAT(sent.status().message(), HasSubstr("broker 'b' at 127.0.0.1:1 cannot be reached"));
  registration.Stop();
}

TEST_F(NameserverTest, BrokersLearnOfEachOther) {
  const auto first = StartNameserver();
  auto second = StartNameserver();
  FakeBroker a("a", {first->Address(), second->Address()});
  a.source.SetTopic("orders", 4);
  ASSERT_TRUE(Knows(*second, "orders"));
  static const RealClock clock;
  broker::ClusterView view("b", &clock);
  broker::ClusterWatch watch(
      {.nameservers = {second->Address(), first->Address()}, .pause = absl::Milliseconds(10)},
      &view);
  watch.Start();
  const auto has = [&](std::string_view topic) { return view.MastersWith(topic).size() == 1; };
  EXPECT_TRUE(Eventually([&] { return has("orders"); }));
  a.source.SetTopic("later", 2);
  EXPECT_TRUE(Eventually([&] { return has("later"); }));
  a.source.DeleteTopic("orders");
  EXPECT_TRUE(Eventually([&] { return !has("orders"); }));
  EXPECT_EQ(view.MasterOf("a")->port, net::ParseHostPort(a.address())->port);

  second.reset();
  EXPECT_TRUE(has("later")) << "what was known last counts";
  a.source.SetTopic("after", 2);
  EXPECT_TRUE(Eventually([&] { return has("after"); })) << "the other nameserver is asked";
  a.registration->Stop();
  EXPECT_TRUE(Eventually([&] { return view.size() == 0; }));
  watch.Stop();
}

TEST_F(NameserverTest, ManyTopicsAreToldInParts) {
  const auto nameserver = StartNameserver();
  FakeBroker a("a", {});
  for (int i = 0; i < 12000; ++i) a.source.SetTopic("topic-" + std::to_string(i), 1);
  RegistrationClient client({.nameservers = {nameserver->Address()}}, &a.source);
  client.Start();
  static const RealClock clock;
  broker::ClusterView view("b", &clock);
  broker::ClusterWatch watch({.nameservers = {nameserver->Address()}}, &view);
  watch.Start();
  EXPECT_TRUE(Eventually([&] {
    return view.MastersWith("topic-0").size() == 1 && view.MastersWith("topic-11999").size() == 1;
  }));
  watch.Stop();
  client.Stop();
}

TEST_F(NameserverTest, TelemetryAnswersOverTheWire) {
  const auto nameserver = StartNameserver();
  const auto stub = Connect<v2::MessagingService>(nameserver->Address());
  grpc::ClientContext context;
  Prepare(context);
  const auto stream = stub->Telemetry(&context);
  stream->WaitForInitialMetadata();  // comes before anything was sent
  v2::TelemetryCommand command;
  command.mutable_settings()->set_client_type(v2::PRODUCER);
  command.mutable_settings()->mutable_publishing();
  ASSERT_TRUE(stream->Write(command));
  ASSERT_TRUE(stream->Read(&command));
  EXPECT_EQ(command.status().code(), v2::OK);
  EXPECT_TRUE(command.settings().backoff_policy().has_exponential_backoff());
  EXPECT_TRUE(stream->WritesDone());
  EXPECT_FALSE(stream->Read(&command));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(NameserverTest, PassesCommandsOnToAllBrokers) {
  const auto nameserver = StartNameserver();
  FakeBroker a("a", {nameserver->Address()});
  FakeBroker b("b", {nameserver->Address()});
  ASSERT_TRUE(Eventually([&] { return nameserver->table().Masters().size() == 2; }));
  const auto stub = Connect<v1::Admin>(nameserver->Address());
  const auto create = [&](const std::string& name) {
    v1::CreateTopicRequest request;
    request.mutable_topic()->set_name(name);
    v1::CreateTopicResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(stub->CreateTopic(&context, request, &response).ok());
    return response;
  };
  v1::CreateTopicResponse created = create("orders");
  EXPECT_EQ(created.status().code(), v2::OK);
  ASSERT_EQ(created.results_size(), 2);
  EXPECT_EQ(created.results(0).broker(), "a");
  EXPECT_EQ(created.topic().queues(), 8);
  const auto route = nameserver->table().Route("orders");
  ASSERT_TRUE(route.ok()) << "visible as soon as the command has returned";
  EXPECT_EQ(route->brokers.size(), 2u);

  b.refusal = WireError(v2::TOO_MANY_REQUESTS, "too many topics");
  created = create("more");
  EXPECT_EQ(created.status().code(), v2::MULTIPLE_RESULTS);
  EXPECT_THAT(created.status().message(), HasSubstr("broker b: too many topics"));
  EXPECT_EQ(created.results(1).status().code(), v2::TOO_MANY_REQUESTS);

  v1::DescribeTopicRequest request;
  request.set_name("more");
  v1::DescribeTopicResponse described;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->DescribeTopic(&context, request, &described).ok());
  EXPECT_EQ(described.status().code(), v2::OK) << described.status().message();
  ASSERT_EQ(described.queues_size(), 1);
  EXPECT_EQ(described.queues(0).broker(), "a");
  EXPECT_EQ(described.queues(0).next_offset(), 12);
}

TEST_F(NameserverTest, ListsBrokersTopicsAndGroups) {
  const auto nameserver = StartNameserver();
  FakeBroker broker("a", {nameserver->Address()});
  broker.source.SetTopic("orders", 4);
  broker.source.SetGroup("group");
  ASSERT_TRUE(Eventually([&] { return nameserver->table().Groups().size() == 1; }));
  ASSERT_TRUE(Knows(*nameserver, "orders"));
  const auto stub = Connect<v1::Admin>(nameserver->Address());

  v1::ListBrokersResponse brokers;
  grpc::ClientContext brokers_context;
  ASSERT_TRUE(stub->ListBrokers(&brokers_context, {}, &brokers).ok());
  EXPECT_EQ(brokers.status().code(), v2::OK);
  ASSERT_EQ(brokers.brokers_size(), 1);
  EXPECT_EQ(brokers.brokers(0).broker().name(), "a");
  EXPECT_EQ(brokers.brokers(0).topics(), 1);
  EXPECT_EQ(brokers.answered_by(), "nameserver " + nameserver->Address());

  v1::ListTopicsResponse topics;
  grpc::ClientContext topics_context;
  ASSERT_TRUE(stub->ListTopics(&topics_context, {}, &topics).ok());
  ASSERT_EQ(topics.topics_size(), 1);
  EXPECT_EQ(topics.topics(0).brokers(0), "a");

  v1::ListGroupsResponse groups;
  grpc::ClientContext groups_context;
  ASSERT_TRUE(stub->ListGroups(&groups_context, {}, &groups).ok());
  ASSERT_EQ(groups.groups_size(), 1);
  EXPECT_EQ(groups.groups(0).group().name(), "group");
}

TEST_F(NameserverTest, WithoutBrokersCommandsSayWhatToDo) {
  const auto nameserver = StartNameserver();
  const auto stub = Connect<v1::Admin>(nameserver->Address());
  v1::CreateTopicResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->CreateTopic(&context, {}, &response).ok());
  EXPECT_EQ(response.status().code(), v2::HA_NOT_AVAILABLE);
  EXPECT_THAT(response.status().message(), HasSubstr("nameservers="));
}

TEST_F(NameserverTest, ATakenPortIsAClearError) {
  const auto nameserver = StartNameserver();
  const RealClock clock;
  const auto config = config::ParseConfig(
      NameserverSchema(), "", "",
      {"listen=" + nameserver->Address(), "tls.generated-dir=" + ::testing::TempDir()});
  const auto second = Nameserver::Start(config.value(), &clock);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(nameserver->Address()));
}

}  // namespace
}  // namespace mansio::nameserver
