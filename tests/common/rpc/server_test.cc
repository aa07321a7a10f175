#include "common/rpc/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "common/logging/logging.h"
#include "common/rpc/call.h"
#include "common/rpc/proto_call.h"
#include "common/sync/sync.h"
#include "tests/common/rpc/test_client.h"

namespace mansio::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kFailAfter = absl::Seconds(20);

// A value that one thread sets and another waits for.
template <typename T>
class Slot {
 public:
  void Set(T value) {
    MutexLock lock(&mutex_);
    value_ = std::move(value);
    set_.SignalAll();
  }
  std::optional<T> Wait() {
    MutexLock lock(&mutex_);
    const absl::Time deadline = absl::Now() + kFailAfter;
    while (!value_) {
      if (set_.WaitUntil(&mutex_, deadline)) break;
    }
    return value_;
  }

 private:
  Mutex mutex_;
  CondVar set_;
  std::optional<T> value_ ABSL_GUARDED_BY(mutex_);
};

class ServerTest : public ::testing::Test {
 protected:
  void AddUnary(std::string path, UnaryHandler handler) {
    methods_.unary.push_back({std::move(path), std::move(handler), true});
  }
  void AddStream(std::string path, ServerStreamHandler handler) {
    methods_.server_stream.push_back({std::move(path), std::move(handler)});
  }
  void AddBidi(std::string path, BidiHandler handler) {
    methods_.bidi.push_back({std::move(path), std::move(handler)});
  }
  void AddEcho() {
    AddUnary("/t.S/Echo",
             [](UnaryCall& call) { call.Finish(Payload(std::string(call.Request()))); });
  }
  void Start(ServerOptions options = {}) {
    options.listen = "127.0.0.1:0";
    auto server = Server::Start(options, std::move(methods_));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect(server_->Address());
  }
  UnaryResult Call(const std::string& path, std::string_view request,
                   const CallOptions& options = {}) {
    return CallUnary(channel_, path, request, options);
  }
  void ExpectServes() {
    EXPECT_EQ(CallUnary(Connect(server_->Address()), "/t.S/Echo", "x").response, "x");
  }

  MethodTable methods_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServerTest, AnswersUnaryCalls) {
  AddEcho();
  Start();
  for (const std::string& request : {std::string(), std::string("a"), std::string(5000, 'b')}) {
    const UnaryResult result = Call("/t.S/Echo", request);
    EXPECT_TRUE(result.status.ok()) << result.status.error_message();
    EXPECT_EQ(result.response, request);
  }
}

TEST_F(ServerTest, ServesTlsAndPlaintextOnOnePort) {
  AddEcho();
  Start();
  EXPECT_TRUE(server_->SelfSigned());
  const auto tls = Connect(server_->Address(), Transport::kTls);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CallUnary(tls, "/t.S/Echo", "over TLS").response, "over TLS");
    EXPECT_EQ(Call("/t.S/Echo", "in plaintext").response, "in plaintext");
  }
}

TEST_F(ServerTest, TellsHandlersAboutTheCall) {
  AddUnary("/t.S/Describe", [](UnaryCall& call) {
    const bool in_time =
        call.Deadline() > absl::Now() && call.Deadline() < absl::Now() + kFailAfter * 2;
    call.Finish(Payload(std::string(call.Metadata("x-mq-client-id")) + "|" +
                        std::string(call.Metadata("x-absent")) + "|" + std::string(call.Peer()) +
                        "|" + (in_time ? "deadline" : "none")));
  });
  Start();
  const UnaryResult result =
      Call("/t.S/Describe", "", {.metadata = {{"x-mq-client-id", "host@1@2@3"}}});
  EXPECT_THAT(result.response,
              ::testing::MatchesRegex("host@1@2@3\\|\\|127.0.0.1:[0-9]+\\|deadline"));
}

TEST_F(ServerTest, AbortEndsACallWithItsStatus) {
  AddUnary("/t.S/Abort",
           [](UnaryCall& call) { call.Abort(absl::InvalidArgumentError("why, and the cure")); });
  AddStream("/t.S/AbortStream",
            [](ServerStreamCall& call) { call.Abort(absl::ResourceExhaustedError("too much")); });
  Start();
  const UnaryResult result = Call("/t.S/Abort", "");
  EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(result.status.error_message(), "why, and the cure");
  Stream stream(channel_, "/t.S/AbortStream");
  stream.Write("");
  stream.WritesDone();
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_EQ(stream.Finish().error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(ServerTest, WhatALibrarySaysOfBadInputIsLoggedOnce) {
  AddUnary("/t.S/Parse", ParsedUnary<apache::rocketmq::v2::Resource>(
                             [](UnaryCall& call, const auto&) { call.Finish(Payload("parsed")); }));
  Start();
  const logging::LogCapture log;
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) {
    const UnaryResult result = Call("/t.S/Parse", "\x12\x02\xff\xfe");  // a name, not UTF-8
    EXPECT_EQ(result.status.error_code(), grpc::INVALID_ARGUMENT);
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_THAT(log.lines(), ::testing::ElementsAre(HasSubstr("UTF-8")));
}

TEST_F(ServerTest, UnknownMethodsAreUnimplemented) {
  AddEcho();
  Start();
  EXPECT_EQ(Call("/t.S/Other", "").status.error_code(), grpc::UNIMPLEMENTED);
  ExpectServes();
}

// Calls that other threads finish, in batches.
TEST_F(ServerTest, OtherThreadsFinishCallsInBatches) {
  constexpr int kCalls = 2000;
  Mutex mutex;
  CondVar arrived;
  std::vector<UnaryCall*> waiting;
  bool ending = false;
  AddUnary("/t.S/Later", [&](UnaryCall& call) {
    MutexLock lock(&mutex);
    waiting.push_back(&call);
    arrived.Signal();
  });
  std::thread log_thread([&] {
    while (true) {
      std::vector<UnaryCall*> batch;
      {
        MutexLock lock(&mutex);
        while (waiting.empty() && !ending) arrived.Wait(&mutex);
        if (waiting.empty()) return;
        batch.swap(waiting);
      }
      const CompletionScope scope;
      for (UnaryCall* call : batch) call->Finish(Payload("done " + std::string(call->Request())));
    }
  });
  Start({.threads = 2});

  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      const auto channel = Connect(server_->Address());
      for (int i = 0; i < kCalls / 4; ++i) {
        const std::string id = std::to_string(c * kCalls + i);
        good += CallUnary(channel, "/t.S/Later", id).response == "done " + id;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good.load(), kCalls);
  {
    MutexLock lock(&mutex);
    ending = true;
    arrived.Signal();
  }
  log_thread.join();
}

TEST_F(ServerTest, PostRunsOnTheOwningThreadInOrder) {
  AddUnary("/t.S/Post", [](UnaryCall& call) {
    auto order = std::make_shared<std::string>();
    const auto owner = std::this_thread::get_id();
    std::thread([&call, order, owner] {
      for (const char c : std::string("abc")) {
        call.Post([&call, order, owner, c] {
          if (std::this_thread::get_id() == owner) *order += c;
          if (c == 'c') call.Finish(Payload(*order));
        });
      }
    }).detach();
  });
  Start();
  EXPECT_EQ(Call("/t.S/Post", "").response, "abc");
}

TEST_F(ServerTest, CarriesLargeMessagesAndSharedPieces) {
  const auto shared = std::make_shared<const std::string>(3 * 1024 * 1024, 's');
  AddUnary("/t.S/Wrap", [shared](UnaryCall& call) {
    Payload response("head");
    response.AppendShared(shared, *shared);
    response.Append(std::string(call.Request()));
    response.Append("tail");
    call.Finish(std::move(response));
  });
  Start();
  const std::string request(20 * 1024 * 1024, 'r');
  const UnaryResult result = Call("/t.S/Wrap", request);
  ASSERT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_TRUE(result.response == "head" + *shared + request + "tail");
  // Let go of when sent: only the handler and this test hold it then.
  while (shared.use_count() > 2) std::this_thread::yield();
}

TEST_F(ServerTest, StreamsElementsInOrder) {
  std::atomic<int> written{0};
  AddStream("/t.S/List", [&](ServerStreamCall& call) {
    std::vector<Payload> elements;
    const int count = std::stoi(std::string(call.Request()));
    for (int i = 0; i < count; ++i) elements.emplace_back("element " + std::to_string(i));
    call.Finish(std::move(elements), [&](bool ok) { written += ok; });
  });
  Start();
  int streams = 0;
  for (const int count : {0, 1, 2, 100}) {
    Stream stream(channel_, "/t.S/List");
    ASSERT_TRUE(stream.Write(std::to_string(count)) && stream.WritesDone());
    for (int i = 0; i < count; ++i) EXPECT_EQ(stream.Read(), "element " + std::to_string(i));
    EXPECT_EQ(stream.Read(), std::nullopt);
    EXPECT_TRUE(stream.Finish().ok());
    ++streams;
    while (written < streams) std::this_thread::yield();
  }
}

TEST_F(ServerTest, AStreamIsCountedByItsStatusHoweverItIsWritten) {
  const std::string ok("\x0a\x04\x08\xa0\x9c\x01", 6);  // a response's status
  AddStream("/mansio.v1.T/List", [&](ServerStreamCall& call) {
    call.Write(Payload(ok), [&call](bool) { call.Finish({}, [](bool) {}); });
  });
  Start({.count_calls = true});
  for (int i = 0; i < 2; ++i) {
    Stream stream(channel_, "/mansio.v1.T/List");
    ASSERT_TRUE(stream.Write("") && stream.WritesDone());
    EXPECT_EQ(stream.Read(), ok);
    EXPECT_TRUE(stream.Finish().ok());
  }
  const auto stats = server_->Stats();
  const auto list = std::find_if(stats.begin(), stats.end(), [](const MethodStats* method) {
    return method->path() == "/mansio.v1.T/List";
  });
  ASSERT_NE(list, stats.end());
  const auto outcomes = (*list)->Outcomes();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].outcome, 20000);
}

// What ends a parked call from outside.
class ParkedCallTest : public ServerTest {
 protected:
  // Parks every call of /t.S/Park until its client goes away.
  void StartParking() {
    AddEcho();
    AddStream("/t.S/Park", [this](ServerStreamCall& call) {
      call.OnCancel([this, &call] {
        cancelled_.Set(call.Cancelled());
        call.Finish({}, [this](bool written) { written_.Set(written); });
      });
      parked_.Set(true);
    });
    Start();
  }
  void ExpectCancelled() {
    EXPECT_EQ(cancelled_.Wait(), true);
    EXPECT_EQ(written_.Wait(), false);
    ExpectServes();
  }

  Slot<bool> parked_;
  Slot<bool> cancelled_;
  Slot<bool> written_;
};

TEST_F(ParkedCallTest, HearsThatItsClientCancels) {
  StartParking();
  Stream stream(channel_, "/t.S/Park");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone() && parked_.Wait());
  stream.Cancel();
  ExpectCancelled();
}

TEST_F(ParkedCallTest, HearsThatItsClientsDeadlinePasses) {
  StartParking();
  ASSERT_TRUE(Call("/t.S/Echo", "").status.ok());  // the connection is there
  Stream stream(channel_, "/t.S/Park", {.deadline = std::chrono::milliseconds(500)});
  ASSERT_TRUE(stream.Write("") && stream.WritesDone());
  EXPECT_EQ(stream.Finish().error_code(), grpc::DEADLINE_EXCEEDED);
  ExpectCancelled();
}

TEST_F(ParkedCallTest, HearsThatItsConnectionIsLost) {
  StartParking();
  {
    Stream stream(channel_, "/t.S/Park");
    ASSERT_TRUE(stream.Write("") && stream.WritesDone() && parked_.Wait());
    channel_.reset();
  }
  ExpectCancelled();
}

TEST_F(ParkedCallTest, OnCancelRunsAtOnceWhenTheClientIsGoneAlready) {
  Slot<ServerStreamCall*> parked;
  AddEcho();
  AddStream("/t.S/Park", [&](ServerStreamCall& call) { parked.Set(&call); });
  Start();
  {
    Stream stream(channel_, "/t.S/Park");
    ASSERT_TRUE(stream.Write("") && stream.WritesDone() && parked.Wait());
  }
  ServerStreamCall* const call = *parked.Wait();
  while (!call->Cancelled()) std::this_thread::yield();
  call->OnCancel([&] { cancelled_.Set(true); });
  EXPECT_EQ(cancelled_.Wait(), true);
  call->Finish({}, [&](bool written) { written_.Set(written); });
  EXPECT_EQ(written_.Wait(), false);
}

// Echoes elements; "bye" makes the server end the stream.
class EchoEvents final : public BidiEvents {
 public:
  EchoEvents(std::shared_ptr<BidiCall> call, Slot<std::string>* ended)
      : call_(std::move(call)), ended_(ended) {}
  void OnMessage(std::string_view bytes) override {
    if (bytes == "bye") return call_->Finish(absl::UnavailableError("bye"));
    call_->Write(Payload(std::string(bytes)));
  }
  void OnHalfClose() override {
    how_ += "half-closed ";
    call_->Write(Payload("last"));
    call_->Finish(absl::OkStatus());
  }
  void OnClosed() override { ended_->Set(how_ + (call_->Write(Payload("x")) ? "open" : "closed")); }

 private:
  const std::shared_ptr<BidiCall> call_;
  Slot<std::string>* const ended_;
  std::string how_;
};

class BidiTest : public ServerTest {
 protected:
  void StartEcho(ServerOptions options = {}) {
    AddEcho();
    AddBidi("/t.S/Chat", [this](std::shared_ptr<BidiCall> call) {
      call_.Set(call);
      return std::make_unique<EchoEvents>(call, &ended_);
    });
    Start(options);
  }
  void TearDown() override { server_.reset(); }

  Slot<std::shared_ptr<BidiCall>> call_;
  Slot<std::string> ended_;
};

TEST_F(BidiTest, SendsHeadersBeforeAnyElement) {
  StartEcho();
  Stream stream(channel_, "/t.S/Chat");
  EXPECT_TRUE(stream.ReadHeaders());
}

TEST_F(BidiTest, EchoesUntilTheClientHalfCloses) {
  StartEcho();
  Stream stream(channel_, "/t.S/Chat", {.metadata = {{"x-mq-client-id", "me"}}});
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(stream.Write("element " + std::to_string(i)));
    EXPECT_EQ(stream.Read(), "element " + std::to_string(i));
  }
  EXPECT_EQ((*call_.Wait())->Metadata("x-mq-client-id"), "me");
  EXPECT_THAT(std::string((*call_.Wait())->Peer()), HasSubstr("127.0.0.1:"));
  ASSERT_TRUE(stream.WritesDone());
  EXPECT_EQ(stream.Read(), "last");
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(ended_.Wait(), "half-closed closed");
}

TEST_F(BidiTest, ServerEndsTheStreamAfterWhatWasQueued) {
  StartEcho();
  Stream stream(channel_, "/t.S/Chat");
  ASSERT_TRUE(stream.Write("one") && stream.Write("bye"));
  EXPECT_EQ(stream.Read(), "one");
  EXPECT_EQ(stream.Read(), std::nullopt);
  const grpc::Status status = stream.Finish();
  EXPECT_EQ(status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "bye");
  EXPECT_EQ(ended_.Wait(), "closed");
}

TEST_F(BidiTest, HearsThatItsClientGoesAway) {
  StartEcho();
  {
    Stream stream(channel_, "/t.S/Chat");
    ASSERT_TRUE(stream.Write("one"));
    EXPECT_EQ(stream.Read(), "one");
    (*call_.Wait())->OnCancel([] {});
  }
  ASSERT_TRUE(ended_.Wait());
  EXPECT_TRUE((*call_.Wait())->Cancelled());
  EXPECT_FALSE((*call_.Wait())->Write(Payload("too late")));
  ExpectServes();
}

TEST_F(BidiTest, RefusesToQueueBeyondTheLimit) {
  constexpr int64_t kLimit = 100 * 1000;
  StartEcho({.max_undelivered_bytes = kLimit});
  Stream stream(channel_, "/t.S/Chat");  // reads nothing
  ASSERT_TRUE(call_.Wait());
  const std::shared_ptr<BidiCall> call = *call_.Wait();
  EXPECT_FALSE(call->Write(Payload(std::string(kLimit + 1, 'x'))));
  // The transport takes some before its window is full; then the limit is reached.
  int64_t accepted = 0;
  while (call->Write(Payload(std::string(10 * 1000, 'x')))) {
    accepted += 10 * 1000;
    ASSERT_LT(accepted, int64_t{1} << 30) << "nothing bounds the queue";
  }
  EXPECT_GE(accepted, kLimit);
  // The client reads on, and all that was accepted arrives.
  for (int64_t read = 0; read < accepted;) {
    const std::optional<std::string> element = stream.Read();
    ASSERT_TRUE(element);
    read += static_cast<int64_t>(element->size());
  }
  ExpectServes();
}

TEST_F(BidiTest, HandlersMayKeepACallLongerThanTheServer) {
  StartEcho();
  Stream stream(channel_, "/t.S/Chat");
  ASSERT_TRUE(call_.Wait());
  const std::shared_ptr<BidiCall> call = *call_.Wait();
  server_->Shutdown(absl::Seconds(20));
  EXPECT_EQ(stream.Finish().error_code(), grpc::UNAVAILABLE);
  server_.reset();
  EXPECT_FALSE(call->Write(Payload("x")));
  call->Finish(absl::OkStatus());
  call->Post([call] { ADD_FAILURE() << "ran without a thread"; });
}

TEST_F(ServerTest, RefusesOversizedHeadersAndRequests) {
  AddEcho();
  Start({.max_request_header_bytes = 4096, .max_request_bytes = 10'000});
  EXPECT_TRUE(Call("/t.S/Echo", std::string(9'999, 'x')).status.ok());
  const grpc::Status body = Call("/t.S/Echo", std::string(10'001, 'x')).status;
  EXPECT_EQ(body.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(body.error_message(), HasSubstr("larger than max"));
  EXPECT_TRUE(Call("/t.S/Echo", "", {.metadata = {{"x-a", std::string(2'000, 'h')}}}).status.ok());
  const grpc::Status header =
      Call("/t.S/Echo", "", {.metadata = {{"x-a", std::string(5'000, 'h')}}}).status;
  EXPECT_EQ(header.error_code(), grpc::RESOURCE_EXHAUSTED);
  ExpectServes();
}

TEST_F(ServerTest, BoundsTheLargeRequestsThatHandlersHold) {
  AddEcho();
  Slot<UnaryCall*> held;
  AddUnary("/t.S/Hold", [&](UnaryCall& call) { held.Set(&call); });
  Start({.threads = 2, .memory_quota_bytes = 64 << 20});
  const std::string large(33 << 20, 'x');
  UnaryResult answer;
  std::thread holder([&] { answer = CallUnary(Connect(server_->Address()), "/t.S/Hold", large); });
  const std::optional<UnaryCall*> call = held.Wait();
  ASSERT_TRUE(call.has_value());
  const grpc::Status refused = Call("/t.S/Echo", large).status;
  EXPECT_EQ(refused.error_code(), grpc::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("limits.rpc-memory-bytes"));
  ExpectServes();  // small ones have room
  (*call)->Finish(Payload());
  holder.join();
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(Call("/t.S/Echo", large).response, large);
}

TEST_F(ServerTest, RefusesCompressedRequests) {
  AddEcho();
  Start();
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  grpc::CompletionQueue queue;
  auto call =
      stub.PrepareUnaryCall(&context, "/t.S/Echo", ToBuffer(std::string(100'000, 'z')), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, &context);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::UNIMPLEMENTED) << status.error_message();
  ExpectServes();
}

TEST_F(ServerTest, BoundsTheStreamsOfAConnection) {
  std::atomic<int> parked{0};
  Slot<ServerStreamCall*> last;
  AddEcho();
  AddStream("/t.S/Park", [&](ServerStreamCall& call) {
    ++parked;
    last.Set(&call);
  });
  Start({.max_streams_per_connection = 2});
  auto open = [&] {
    auto stream = std::make_unique<Stream>(channel_, "/t.S/Park");
    return stream->Write("") && stream->WritesDone() ? std::move(stream) : nullptr;
  };
  const auto first = open();
  ASSERT_TRUE(first != nullptr && last.Wait());
  ServerStreamCall* const first_call = *last.Wait();
  const auto second = open();
  while (parked < 2) std::this_thread::yield();
  ServerStreamCall* const second_call = *last.Wait();
  ASSERT_NE(first_call, second_call);

  // The third waits in the client until a stream is free: here, until its deadline.
  EXPECT_EQ(
      Call("/t.S/Echo", "x", {.deadline = std::chrono::milliseconds(200)}).status.error_code(),
      grpc::DEADLINE_EXCEEDED);
  ExpectServes();  // on another connection
  first_call->Finish({}, nullptr);
  second_call->Finish({}, nullptr);
  EXPECT_EQ(Call("/t.S/Echo", "x").response, "x");
}

TEST_F(ServerTest, RefusesConnectionsBeyondTheLimit) {
  AddEcho();
  Start({.max_connections = 1});
  EXPECT_EQ(Call("/t.S/Echo", "x").response, "x");
  const auto second = Connect(server_->Address());
  EXPECT_EQ(CallUnary(second, "/t.S/Echo", "x").status.error_code(), grpc::UNAVAILABLE);
  EXPECT_EQ(Call("/t.S/Echo", "x").response, "x");
  // When the first has gone, there is room; gRPC closes its descriptor a moment later.
  channel_.reset();
  while (!CallUnary(Connect(server_->Address()), "/t.S/Echo", "x").status.ok()) {
  }
}

TEST_F(ServerTest, ASecondServerOnThePortSaysWhoHoldsIt) {
  AddEcho();
  Start();
  const auto second = Server::Start({.listen = server_->Address()}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(
      std::string(second.status().message()),
      HasSubstr("cannot listen on " + server_->Address() + ": the port is taken by process "));
}

TEST_F(ServerTest, ShutdownLetsARunningCallEnd) {
  Slot<UnaryCall*> running;
  AddUnary("/t.S/Slow", [&](UnaryCall& call) { running.Set(&call); });
  Start();
  UnaryResult result;
  std::thread client([&] { result = Call("/t.S/Slow", ""); });
  ASSERT_TRUE(running.Wait());
  std::thread stopper([&] { server_->Shutdown(kFailAfter); });
  (*running.Wait())->Finish(Payload("finished"));
  client.join();
  stopper.join();
  EXPECT_TRUE(result.status.ok()) << result.status.error_message();
  EXPECT_EQ(result.response, "finished");
  server_->Shutdown(kFailAfter);  // again: nothing happens
}

TEST_F(ParkedCallTest, ShutdownCancelsParkedCallsAfterTheGrace) {
  StartParking();
  Stream stream(channel_, "/t.S/Park");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone() && parked_.Wait());
  server_->Shutdown(absl::Milliseconds(50));
  EXPECT_EQ(cancelled_.Wait(), true);
  EXPECT_FALSE(stream.Finish().ok());
}

// gRPC's callback API sleeps after a quiet second; this server must not need a nudge from anybody.
TEST_F(ServerTest, AnswersAfterAQuietSecond) {
  AddEcho();
  AddUnary("/t.S/Later", [](UnaryCall& call) {
    std::thread([&call] { call.Finish(Payload("later")); }).detach();
  });
  Start();
  EXPECT_EQ(Call("/t.S/Echo", "x").response, "x");
  absl::SleepFor(absl::Milliseconds(1200));
  EXPECT_EQ(Call("/t.S/Later", "").response, "later");
}

}  // namespace
}  // namespace mansio::rpc
