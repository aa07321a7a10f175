#include "common/gateway/forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>

#include "common/gateway/group_owner.h"
#include "common/gateway/send_holds.h"
#include "common/rpc/testing/fake_client.h"
#include "common/timer/timer_queue.h"
#include "tests/common/gateway/testing.h"

namespace mansio::gateway {
namespace {

namespace v2 = apache::rocketmq::v2;
using rpc::testing::FakeServerStreamCall;
using rpc::testing::FakeUnaryCall;
using ::testing::HasSubstr;

// Node "a" (or a nameserver), with the brokers b and c elsewhere.
class ForwarderTest : public ::testing::Test {
 protected:
  ForwarderTest() {
    directory_.self = "a";
    directory_.stored = {"here"};
    directory_.masters = {{"b", {"192.0.2.2", 8081}}, {"c", {"2001:db8::3", 8082}}};
    directory_.routes["there"].brokers = {{"b", 0, {{"192.0.2.2", 8081}}, 4}};
    directory_.routes["both"].brokers = {{"b", 0, {{"192.0.2.2", 8081}}, 4},
                                         {"c", 0, {{"2001:db8::3", 8082}}, 4}};
  }
  // As a node does: the calls that are under way end before the forwarder.
  ~ForwarderTest() override { peers_.Stop(); }

  // Every local handler counts its calls, and says OK to each entry of an ack.
  void Install(bool with_local = true) {
    forwarder_ =
        std::make_unique<Forwarder>(options_, Forwarder::Environment{.directory = &directory_,
                                                                     .clients = &clients_,
                                                                     .peers = &peers_,
                                                                     .timers = &timers_,
                                                                     .holds = &holds_});
    for (const OwnedMethod& method : kOwnedMethods) {
      if (!with_local) break;
      if (method.shape == Shape::kServerStream) {
        methods_.server_stream.push_back(
            {MessagingPath(method.name), [this](rpc::ServerStreamCall& call) {
               ++local_calls_;
               call.Finish({}, [](bool) {});
             }});
      } else {
        methods_.unary.push_back({MessagingPath(method.name), [this](rpc::UnaryCall& call) {
                                    ++local_calls_;
                                    v2::AckMessageRequest request;
                                    v2::AckMessageResponse response;
                                    request.ParseFromString(std::string(call.Request()));
                                    response.mutable_status()->set_code(v2::OK);
                                    for (int i = 0; i < request.entries_size(); ++i) {
                                      response.add_entries()->mutable_status()->set_code(v2::OK);
                                    }
                                    call.Finish(rpc::Payload(response.SerializeAsString()));
                                  }});
      }
    }
    forwarder_->Install(methods_);
  }

  // The call is kept until the test ends, so that it may be answered late.
  template <typename Request>
  FakeUnaryCall* Call(std::string_view method, const Request& request,
                      rpc::testing::Headers headers = Client()) {
    calls_.push_back(
        std::make_unique<FakeUnaryCall>(request.SerializeAsString(), std::move(headers)));
    for (const auto& candidate : methods_.unary) {
      if (candidate.path == MessagingPath(method)) candidate.handler(*calls_.back());
    }
    return calls_.back().get();
  }
  std::unique_ptr<FakeServerStreamCall> Receive(const std::string& topic, const std::string& broker,
                                                bool hold_writes = false) {
    v2::ReceiveMessageRequest request;
    request.mutable_message_queue()->mutable_topic()->set_name(topic);
    request.mutable_message_queue()->mutable_broker()->set_name(broker);
    auto call = std::make_unique<FakeServerStreamCall>(request.SerializeAsString(), Client());
    call->hold_writes = hold_writes;
    for (const auto& candidate : methods_.server_stream) {
      if (candidate.path == MessagingPath("ReceiveMessage")) candidate.handler(*call);
    }
    return call;
  }

  static rpc::testing::Headers Client() {
    return {{"x-mq-client-id", "client-1"}, {"authorization", "key"}, {"cookie", "private"}};
  }
  static rpc::testing::Headers Forwarded() {
    rpc::testing::Headers headers = Client();
    headers.emplace(kForwardedBy, "nameserver x:1");
    return headers;
  }
  static v2::SendMessageRequest SendTo(const std::string& topic,
                                       const std::vector<std::string>& groups = {}) {
    v2::SendMessageRequest request;
    request.add_messages()->mutable_topic()->set_name(topic);
    for (size_t i = 0; i < groups.size(); ++i) {
      if (i > 0) *request.add_messages() = request.messages(0);
      request.mutable_messages(static_cast<int>(i))
          ->mutable_system_properties()
          ->set_message_group(groups[i]);
    }
    return request;
  }
  static v2::AckMessageRequest AckOf(const std::vector<std::string>& brokers) {
    v2::AckMessageRequest request;
    request.mutable_group()->set_name("group");
    request.mutable_topic()->set_name("both");
    for (const std::string& broker : brokers) {
      v2::AckMessageEntry* entry = request.add_entries();
      entry->set_message_id("id-" + broker);
      entry->set_receipt_handle(HandleOf(broker));
    }
    return request;
  }
  static std::string StatusBytes(v2::Code code, const std::string& text = "text") {
    v2::HeartbeatResponse response;
    response.mutable_status()->set_code(code);
    response.mutable_status()->set_message(text);
    return response.SerializeAsString();
  }
  template <typename Response>
  static v2::Code CodeIn(const FakeUnaryCall& call) {
    return call.Response<Response>().status().code();
  }

  ForwarderOptions options_{.node = "broker a"};
  FakeClock clock_;
  FakeDirectory directory_;
  ClientRegistry clients_{{}, &clock_};
  rpc::testing::FakeClient peers_;
  int64_t now_ms_ = 0;
  TimerQueue timers_{[this] { return now_ms_; }};
  SendHolds holds_{{}, &timers_};
  std::unique_ptr<Forwarder> forwarder_;
  std::vector<std::unique_ptr<FakeUnaryCall>> calls_;
  rpc::MethodTable methods_;
  int local_calls_ = 0;
};

TEST_F(ForwarderTest, WhatIsForThisBrokerIsServedHere) {
  Install();
  Call("SendMessage", SendTo("here"));
  Call("AckMessage", AckOf({"a", "a"}));
  Call("SendMessage", SendTo("nobody-has-it"));
  Call("SendMessage", v2::SendMessageRequest());
  Receive("here", "");
  Receive("both", "a");
  EXPECT_EQ(local_calls_, 6);
  EXPECT_TRUE(peers_.unary.empty());
  EXPECT_TRUE(peers_.streams.empty());
}

TEST_F(ForwarderTest, WhatIsForAnotherIsPassedOnAsItIs) {
  Install();
  const v2::SendMessageRequest request = SendTo("there");
  const absl::Time before = absl::Now();
  const auto* call = Call("SendMessage", request);
  ASSERT_EQ(peers_.unary.size(), 1u);
  const rpc::OutgoingCall& outgoing = peers_.unary[0].call;
  EXPECT_EQ(outgoing.address, "192.0.2.2:8081");
  EXPECT_EQ(outgoing.path, MessagingPath("SendMessage"));
  EXPECT_EQ(peers_.unary[0].request, request.SerializeAsString());
  EXPECT_EQ(rpc::testing::HeaderOf(outgoing, "x-mq-client-id"), "client-1");
  EXPECT_EQ(rpc::testing::HeaderOf(outgoing, "authorization"), "key");
  EXPECT_EQ(rpc::testing::HeaderOf(outgoing, "cookie"), "") << "not one that owners know";
  EXPECT_EQ(rpc::testing::HeaderOf(outgoing, kForwardedBy), "broker a");
  EXPECT_GT(outgoing.deadline, before);
  EXPECT_LT(outgoing.deadline, before + absl::Minutes(1)) << "also without one of the client";
  EXPECT_EQ(forwarder_->calls(), 1u);
  EXPECT_TRUE(clients_.IsAlive(ClientHash("client-1")));

  peers_.Answer(std::string("the answer"));
  EXPECT_EQ(call->response_bytes(), "the answer");
  EXPECT_EQ(forwarder_->calls(), 0u);
  EXPECT_EQ(local_calls_, 0);
}

TEST_F(ForwarderTest, TheDeadlineGoesWithTheCall) {
  Install();
  FakeUnaryCall call(SendTo("there").SerializeAsString(), Client());
  const absl::Time deadline = absl::Now() + absl::Seconds(3);
  call.SetDeadline(deadline);
  methods_.unary[0].handler(call);
  EXPECT_LT(peers_.unary[0].call.deadline, deadline) << "the answer has a way back";
  EXPECT_GT(peers_.unary[0].call.deadline, deadline - absl::Milliseconds(200));
  peers_.Answer(absl::DeadlineExceededError("late"));
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(call), v2::PROXY_TIMEOUT);
}

TEST_F(ForwarderTest, ANameserverForwardsEverything) {
  directory_.self = "";
  directory_.stored.clear();
  Install(/*with_local=*/false);
  Call("SendMessage", SendTo("there"));
  Call("AckMessage", AckOf({"c"}));
  v2::AckMessageRequest garbage = AckOf({"b"});
  garbage.mutable_entries(0)->set_receipt_handle("garbage");
  Call("AckMessage", garbage);
  ASSERT_EQ(peers_.unary.size(), 3u);
  EXPECT_EQ(peers_.unary[1].call.address, "[2001:db8::3]:8082");
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("unknown"))),
            v2::TOPIC_NOT_FOUND);
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("il legal"))),
            v2::ILLEGAL_TOPIC);
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("there"), {})),
            v2::CLIENT_ID_REQUIRED);
}

TEST_F(ForwarderTest, ABrokerForwardsNothingTwice) {
  Install();
  const auto* ack = Call("AckMessage", AckOf({"b"}), Forwarded());
  const auto answer = ack->Response<v2::AckMessageResponse>();
  EXPECT_EQ(answer.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_THAT(answer.status().message(),
              HasSubstr("nameserver x:1 forwarded this call to broker a"));
  ASSERT_EQ(answer.entries_size(), 1) << "Rust looks there";
  EXPECT_EQ(answer.entries(0).status().code(), v2::INTERNAL_SERVER_ERROR);
  Call("SendMessage", SendTo("there"), Forwarded());
  EXPECT_EQ(local_calls_, 1) << "its own service says that the topic is not here";
  EXPECT_TRUE(peers_.unary.empty());

}

TEST_F(ForwarderTest, ASlaveForwardsWhatItGotAsTheMasterOnceMore) {
  Install();
  directory_.self = "";
  Call("SendMessage", SendTo("there"), Forwarded());
  ASSERT_EQ(peers_.unary.size(), 1u);
  const std::string hops = rpc::testing::HeaderOf(peers_.unary[0].call, kForwardedBy);
  EXPECT_EQ(hops, "nameserver x:1, then broker a");
  rpc::testing::Headers headers = Client();
  headers.emplace(kForwardedBy, hops);
  FakeUnaryCall* const send = Call("SendMessage", SendTo("there"), headers);
  now_ms_ += 300;  // routes are just changing: not at once
  timers_.RunDue();
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*send), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(peers_.unary.size(), 1u);
}

TEST_F(ForwarderTest, AnUnreachableOwnerHasACodeThatIsTriedAgain) {
  Install();
  v2::ChangeInvisibleDurationRequest change;
  change.mutable_topic()->set_name("there");
  change.set_receipt_handle(HandleOf("b"));
  const auto* call = Call("ChangeInvisibleDuration", change);
  peers_.Answer(absl::UnavailableError("connection refused"));
  const auto answer = call->Response<v2::ChangeInvisibleDurationResponse>();
  EXPECT_EQ(answer.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_THAT(answer.status().message(), HasSubstr("broker 'b' at 192.0.2.2:8081"));
  EXPECT_EQ(answer.receipt_handle(), change.receipt_handle()) << "or some SDKs lose it";

  const auto lost = Call("AckMessage", AckOf({"lost"}))->Response<v2::AckMessageResponse>();
  EXPECT_EQ(lost.status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_THAT(lost.status().message(), HasSubstr("broker 'lost' is not known to broker a"));

  const auto* unparsable = Call("AckMessage", AckOf({"b"}));
  peers_.Answer(absl::InvalidArgumentError("not a message"));
  EXPECT_EQ(unparsable->status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ForwarderTest, AMessageGroupAlwaysGoesToTheSameBroker) {
  directory_.self = "";
  directory_.stored.clear();
  Install(/*with_local=*/false);
  const auto address_of = [&](const std::string& group) {
    Call("SendMessage", SendTo("both", {group}));
    const std::string address = peers_.unary.front().call.address;
    peers_.Answer(std::string());
    return address;
  };
  std::set<std::string> seen;
  std::string of_b;
  std::string of_c;
  for (int i = 0; i < 20; ++i) {
    const std::string group = "group-" + std::to_string(i);
    const std::string address = address_of(group);
    seen.insert(address);
    (address == "192.0.2.2:8081" ? of_b : of_c) = group;
    EXPECT_EQ(address_of(group), address);
  }
  EXPECT_EQ(seen.size(), 2u) << "both brokers have some";
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("both", {of_b, of_c}))),
            v2::BAD_REQUEST);
  v2::SendMessageRequest batch = SendTo("both", {of_c, of_c});
  batch.mutable_messages(0)->mutable_system_properties()->clear_message_group();
  for (int i = 0; i < 2; ++i) {
    Call("SendMessage", batch);
    EXPECT_EQ(peers_.unary.front().call.address, "[2001:db8::3]:8082") << "the group decides";
    peers_.Answer(std::string());
  }
}

TEST_F(ForwarderTest, ANewBrokerTakesGroupsFromTheOthersOnly) {
  const std::vector<BrokerQueues> two = TwoBrokers(1).brokers;
  std::vector<BrokerQueues> three = two;
  three.insert(three.begin() + 1, {"aa", 0, {{"192.0.2.9", 1}}, 1});
  int moved = 0;
  for (int i = 0; i < 1000; ++i) {
    const std::string group = "group-" + std::to_string(i);
    const auto name_of = [](const BrokerQueues& b) -> std::string_view { return b.broker; };
    const std::string& before = two[BrokerOfGroup(group, two, name_of)].broker;
    const std::string& after = three[BrokerOfGroup(group, three, name_of)].broker;
    if (after == before) continue;
    EXPECT_EQ(after, "aa") << group;
    ++moved;
  }
  EXPECT_GT(moved, 250);
  EXPECT_LT(moved, 420);
}

// A topic whose message groups are divided: a broker that has it passes on those of others.
TEST_F(ForwarderTest, AMessageGroupGoesToItsOwner) {
  directory_.owners = {{"mine", "a"}, {"theirs", "c"}};
  Install();
  Call("SendMessage", SendTo("here", {"mine"}));
  EXPECT_EQ(local_calls_, 1);
  Call("SendMessage", SendTo("here", {"theirs"}));
  ASSERT_EQ(peers_.unary.size(), 1u);
  EXPECT_EQ(peers_.unary[0].call.address, "[2001:db8::3]:8082");
  EXPECT_EQ(local_calls_, 1);
}

// A topic of mixed type takes messages with and without a group in one request.
TEST_F(ForwarderTest, ABatchGoesToTheOwnerOfTheGroupThatItHas) {
  directory_.owners = {{"mine", "a"}, {"theirs", "c"}};
  Install();
  Call("SendMessage", SendTo("here", {"", "theirs"}));
  ASSERT_EQ(peers_.unary.size(), 1u);
  EXPECT_EQ(peers_.unary[0].call.address, "[2001:db8::3]:8082");
  EXPECT_EQ(local_calls_, 0);
  Call("SendMessage", SendTo("here", {"", "mine"}));
  EXPECT_EQ(local_calls_, 1);
}

TEST_F(ForwarderTest, ABatchWaitsForTheHoldOfTheGroupThatItHas) {
  directory_.owners = {{"mine", "a"}};
  holds_.Hold("here", "me", 1000);
  Install();
  Call("SendMessage", SendTo("here", {"", "mine"}));
  EXPECT_EQ(local_calls_, 0) << "its group is about to get another broker";
  Call("SendMessage", SendTo("here"));
  EXPECT_EQ(local_calls_, 1);
  holds_.Release("here", "me");
  EXPECT_EQ(local_calls_, 2);
}

// Somebody with an older view forwarded it; the client tries again, but not at once.
TEST_F(ForwarderTest, AGroupThatHasMovedOnIsRefusedAfterAPause) {
  directory_.owners = {{"theirs", "c"}};
  Install();
  FakeUnaryCall* const call = Call("SendMessage", SendTo("here", {"theirs"}), Forwarded());
  EXPECT_FALSE(call->finished());
  now_ms_ += 300;
  timers_.RunDue();
  ASSERT_TRUE(call->finished());
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*call), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(local_calls_, 0);
}

TEST_F(ForwarderTest, NothingIsSentToABrokerThatIsDrained) {
  directory_.self = "";
  directory_.stored.clear();
  directory_.routes["both"].brokers[0].writable = false;
  Install(/*with_local=*/false);
  for (int i = 0; i < 2; ++i) Call("SendMessage", SendTo("both"));
  for (const auto& sent : peers_.unary) EXPECT_EQ(sent.call.address, "[2001:db8::3]:8082");
  directory_.routes["both"].brokers[1].writable = false;
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("both"))),
            v2::INTERNAL_SERVER_ERROR);
}

TEST_F(ForwarderTest, MessagesWithoutAGroupTakeTurns) {
  directory_.self = "";
  directory_.stored.clear();
  Install(/*with_local=*/false);
  Call("SendMessage", SendTo("both"));
  Call("SendMessage", SendTo("both"));
  EXPECT_NE(peers_.unary[0].call.address, peers_.unary[1].call.address);
}

TEST_F(ForwarderTest, AnAckOfSeveralBrokersIsSplitAndJoined) {
  Install();
  const auto* call = Call("AckMessage", AckOf({"b", "a", "c", "b", "lost"}));
  EXPECT_EQ(local_calls_, 1);
  ASSERT_EQ(peers_.unary.size(), 2u);
  v2::AckMessageRequest to_b;
  to_b.ParseFromString(peers_.unary[0].request);
  ASSERT_EQ(to_b.entries_size(), 2);
  EXPECT_EQ(to_b.group().name(), "group");
  EXPECT_FALSE(call->finished());

  v2::AckMessageResponse from_b;
  from_b.mutable_status()->set_code(v2::MULTIPLE_RESULTS);
  from_b.add_entries()->mutable_status()->set_code(v2::OK);
  from_b.add_entries()->mutable_status()->set_code(v2::INVALID_RECEIPT_HANDLE);
  peers_.Answer(from_b.SerializeAsString());
  EXPECT_FALSE(call->finished());
  peers_.Answer(absl::UnavailableError("gone"));
  ASSERT_TRUE(call->finished());
  const auto answer = call->Response<v2::AckMessageResponse>();
  EXPECT_EQ(answer.status().code(), v2::MULTIPLE_RESULTS);
  ASSERT_EQ(answer.entries_size(), 5);
  EXPECT_EQ(answer.entries(0).status().code(), v2::OK);
  EXPECT_EQ(answer.entries(1).status().code(), v2::OK);
  EXPECT_EQ(answer.entries(2).status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(answer.entries(3).status().code(), v2::INVALID_RECEIPT_HANDLE);
  EXPECT_EQ(answer.entries(4).status().code(), v2::INTERNAL_SERVER_ERROR);
  EXPECT_EQ(answer.entries(3).message_id(), "id-b");
  EXPECT_EQ(answer.entries(3).receipt_handle(), HandleOf("b"));
}

TEST_F(ForwarderTest, AReceiveIsPassedOnElementByElement) {
  Install();
  const auto call = Receive("both", "b");
  ASSERT_EQ(peers_.streams.size(), 1u);
  EXPECT_EQ(peers_.streams[0]->call.path, MessagingPath("ReceiveMessage"));
  EXPECT_EQ(peers_.streams[0]->call.deadline, absl::InfiniteFuture());
  peers_.streams[0]->Element(StatusBytes(v2::OK));
  peers_.streams[0]->Element(StatusBytes(v2::OK, "second"));
  EXPECT_EQ(peers_.streams[0]->reads, 2);
  EXPECT_FALSE(call->finished());
  peers_.streams[0]->End(absl::OkStatus());
  ASSERT_TRUE(call->finished());
  EXPECT_EQ(call->Elements<v2::ReceiveMessageResponse>().size(), 2u);
  EXPECT_EQ(forwarder_->calls(), 0u);
}

TEST_F(ForwarderTest, ASlowReaderIsWaitedFor) {
  Install();
  const auto call = Receive("both", "b", /*hold_writes=*/true);
  const auto& stream = peers_.streams[0];
  stream->Element(StatusBytes(v2::OK));
  EXPECT_EQ(stream->reads, 1);
  stream->Element(StatusBytes(v2::OK, std::string(300 << 10, 'x')));
  EXPECT_EQ(stream->reads, 1) << "the client has much to take first";
  ASSERT_TRUE(call->write_is_held());
  call->TakeWrite();
  EXPECT_EQ(stream->reads, 1);
  call->TakeWrite();
  EXPECT_EQ(stream->reads, 2);
  stream->End(absl::UnavailableError("died"));
  ASSERT_TRUE(call->finished());
  EXPECT_TRUE(call->status().ok()) << "what has come is delivered";
  EXPECT_EQ(call->Elements<v2::ReceiveMessageResponse>().size(), 2u);
}

TEST_F(ForwarderTest, AClientThatGoesAwayCancelsAtTheOwner) {
  Install();
  const auto call = Receive("both", "b");
  call->Cancel();
  EXPECT_TRUE(peers_.streams[0]->cancelled);
  peers_.streams[0]->End(absl::CancelledError());
  EXPECT_EQ(call->times_finished(), 1);
}

TEST_F(ForwarderTest, TheEndWaitsForAWriteUnderWay) {
  Install();
  const auto call = Receive("both", "b", /*hold_writes=*/true);
  peers_.streams[0]->Element(StatusBytes(v2::OK, std::string(300 << 10, 'x')));
  ASSERT_TRUE(call->write_is_held());
  peers_.streams[0]->End(absl::CancelledError());
  EXPECT_FALSE(call->finished());
  call->TakeWrite();
  EXPECT_EQ(call->times_finished(), 1);
}

TEST_F(ForwarderTest, AReceiveThatCannotBeServedWaitsASecond) {
  Install();
  const auto call = Receive("both", "b");
  peers_.streams[0]->End(absl::UnavailableError("connection refused"));
  EXPECT_FALSE(call->finished()) << "Rust would ask again at once";
  now_ms_ += 1000;
  timers_.RunDue();
  ASSERT_TRUE(call->finished());
  const auto elements = call->Elements<v2::ReceiveMessageResponse>();
  ASSERT_EQ(elements.size(), 1u);
  EXPECT_EQ(elements[0].status().code(), v2::INTERNAL_SERVER_ERROR);

  const auto lost = Receive("both", "lost");
  EXPECT_FALSE(lost->finished());
  forwarder_->Stop();
  EXPECT_EQ(lost->times_finished(), 1);
  now_ms_ += 1000;
  timers_.RunDue();
  EXPECT_EQ(lost->times_finished(), 1);
}

TEST_F(ForwarderTest, CallsAndBytesAreLimited) {
  options_.max_calls = 1;
  options_.max_bytes = 100;
  Install();
  const auto* first = Call("SendMessage", SendTo("there"));
  EXPECT_FALSE(first->finished());
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", SendTo("there"))),
            v2::TOO_MANY_REQUESTS);
  peers_.Answer(std::string());
  v2::SendMessageRequest large = SendTo("there");
  large.mutable_messages(0)->set_body(std::string(200, 'x'));
  EXPECT_EQ(CodeIn<v2::SendMessageResponse>(*Call("SendMessage", large)), v2::TOO_MANY_REQUESTS);
  EXPECT_EQ(forwarder_->calls(), 0u);
  Call("SendMessage", SendTo("there"));
  EXPECT_EQ(peers_.unary.size(), 1u);
}

// A parser steps over a group; what reads the handles beside it must see the same entries.
TEST_F(ForwarderTest, AnAckWithAnUnknownGroupFieldIsSplitAsItIsParsed) {
  Install();
  std::string bytes = AckOf({"b", "c"}).SerializeAsString();
  bytes += std::string("\x53\x54", 2);  // field 10, start and end of a group
  bytes += std::string("\x18\x01", 2);  // field 3, but a number
  v2::AckMessageRequest more;
  for (int i = 0; i < 2000; ++i) {
    v2::AckMessageEntry* entry = more.add_entries();
    entry->set_message_id("id");
    entry->set_receipt_handle(HandleOf("b"));
  }
  bytes += more.SerializeAsString();
  EXPECT_EQ(BrokersOfAck(bytes).size(), 2002u);
  FakeUnaryCall call(bytes, Client());
  for (const auto& candidate : methods_.unary) {
    if (candidate.path == MessagingPath("AckMessage")) candidate.handler(call);
  }
  ASSERT_EQ(peers_.unary.size(), 2u);
  v2::AckMessageRequest to_b;
  ASSERT_TRUE(to_b.ParseFromString(peers_.unary[0].request));
  EXPECT_EQ(to_b.entries_size(), 2001);
  peers_.Answer(absl::UnavailableError("gone"));
  peers_.Answer(absl::UnavailableError("gone"));
  EXPECT_TRUE(call.finished());
}

}  // namespace
}  // namespace mansio::gateway
