// Calls that wait: while the handlers of a server are replaced, and while nobody decides.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "common/rpc/call.h"
#include "common/rpc/server.h"
#include "tests/common/rpc/test_client.h"

namespace mansio::rpc {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kGrace = absl::Seconds(20);

UnaryHandler Answers(std::string text) {
  return [text = std::move(text)](UnaryCall& call) { call.Finish(Payload(text)); };
}

ServerStreamHandler Streams(const std::string& text) {
  return [text](ServerStreamCall& call) {
    std::vector<Payload> elements;
    elements.emplace_back(text);
    call.Finish(std::move(elements), [](bool) {});
  };
}

class Ends final : public BidiEvents {
 public:
  explicit Ends(absl::Notification* closed) : closed_(closed) {}
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnClosed() override { closed_->Notify(); }

 private:
  absl::Notification* const closed_;
};

class ServerSuspendTest : public ::testing::Test {
 protected:
  static MethodTable Table(const std::string& text) {
    MethodTable methods;
    methods.unary.push_back({"/t.S/Decide", Answers(text), true, true});
    methods.unary.push_back({"/t.S/Read", Answers(text)});
    methods.server_stream.push_back({"/t.S/List", Streams(text)});
    return methods;
  }
  void Start(MethodTable methods) {
    ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.threads = 2;
    auto server = Server::Start(options, std::move(methods));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = Connect(server_->Address());
  }
  std::string Call(const std::string& path, const CallOptions& options = {}) {
    const UnaryResult result = CallUnary(channel_, path, "", options);
    return result.status.ok() ? result.response : result.status.error_message();
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ServerSuspendTest, CallsThatComeMeanwhileGoToTheNextHandlers) {
  Start(Table("first"));
  EXPECT_EQ(Call("/t.S/Read"), "first");
  ASSERT_TRUE(server_->Suspend(kGrace));
  std::string answer;
  std::thread client([&] { answer = Call("/t.S/Decide"); });
  Stream stream(channel_, "/t.S/List");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone());
  const absl::Status resumed = server_->Resume(Table("second"), Holding::kNothing);
  ASSERT_TRUE(resumed.ok()) << resumed;
  client.join();
  EXPECT_EQ(answer, "second");
  EXPECT_EQ(stream.Read(), "second");
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_EQ(Call("/t.S/Read"), "second");
}

TEST_F(ServerSuspendTest, ACallThatMeetsTwoChangesGoesToTheLastHandlers) {
  Start(Table("first"));
  ASSERT_TRUE(server_->Suspend(kGrace));
  std::string answer;
  std::thread client([&] { answer = Call("/t.S/Decide"); });
  // Whenever it comes, nobody decides before the end.
  ASSERT_TRUE(server_->Resume(Table("second"), Holding::kDecisions).ok());
  EXPECT_EQ(Call("/t.S/Read"), "second");
  ASSERT_TRUE(server_->Suspend(kGrace));
  ASSERT_TRUE(server_->Resume(Table("third"), Holding::kDecisions).ok());
  server_->Hold(Holding::kNothing);
  client.join();
  EXPECT_EQ(answer, "third");
}

TEST_F(ServerSuspendTest, WaitsForCallsThatHandlersHave) {
  MethodTable methods = Table("first");
  std::atomic<UnaryCall*> running = nullptr;
  methods.unary.front().handler = [&](UnaryCall& call) { running = &call; };
  Start(std::move(methods));
  std::string answer;
  std::thread client([&] { answer = Call("/t.S/Decide"); });
  while (running == nullptr) std::this_thread::yield();
  std::atomic<bool> suspended = false;
  std::thread suspender([&] { suspended = server_->Suspend(kGrace); });
  // It may not be over as long as the handler has its call.
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_FALSE(suspended);
  running.load()->Finish(Payload("late"));
  suspender.join();
  client.join();
  EXPECT_TRUE(suspended);
  EXPECT_EQ(answer, "late");
}

TEST_F(ServerSuspendTest, CancelsStreamsAfterTheGraceAndEndsBidirectionalOnesAtOnce) {
  MethodTable methods = Table("first");
  absl::Notification parked;
  methods.server_stream.front().handler = [&](ServerStreamCall& call) {
    call.OnCancel([&call] { call.Finish({}, [](bool) {}); });
    parked.Notify();
  };
  absl::Notification closed;
  methods.bidi.push_back(
      {"/t.S/Talk", [&](std::shared_ptr<BidiCall>) { return std::make_unique<Ends>(&closed); }});
  Start(std::move(methods));
  Stream stream(channel_, "/t.S/List");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone());
  parked.WaitForNotification();
  Stream talk(channel_, "/t.S/Talk");
  ASSERT_TRUE(talk.ReadHeaders());
  EXPECT_TRUE(server_->Suspend(absl::Milliseconds(50)));
  EXPECT_TRUE(closed.HasBeenNotified());
  EXPECT_EQ(talk.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_FALSE(stream.Finish().ok());
}

TEST_F(ServerSuspendTest, ABidirectionalStreamThatComesMeanwhileGoesOn) {
  absl::Notification closed;
  const auto with_talk = [&] {
    MethodTable methods = Table("any");
    methods.bidi.push_back({"/t.S/Talk", [&](std::shared_ptr<BidiCall> call) {
                              call->Write(Payload("hello"));
                              return std::make_unique<Ends>(&closed);
                            }});
    return methods;
  };
  Start(with_talk());
  ASSERT_TRUE(server_->Suspend(kGrace));
  Stream talk(channel_, "/t.S/Talk");
  ASSERT_TRUE(talk.ReadHeaders());  // at once, as always
  ASSERT_TRUE(server_->Resume(with_talk(), Holding::kNothing).ok());
  EXPECT_EQ(talk.Read(), "hello");
  talk.Cancel();
  closed.WaitForNotification();
}

TEST_F(ServerSuspendTest, OneThatWaitsInVainIsRefusedBeforeItsDeadline) {
  MethodTable methods = Table("first");
  methods.unary.front().refuse = Answers("refused");
  Start(std::move(methods));
  ASSERT_TRUE(server_->Suspend(kGrace));
  EXPECT_EQ(Call("/t.S/Decide", {.deadline = std::chrono::milliseconds(1200)}), "refused");
  EXPECT_THAT(Call("/t.S/Read", {.deadline = std::chrono::milliseconds(1200)}),
              HasSubstr("try again"));
}

TEST_F(ServerSuspendTest, DecisionsWaitUntilSomebodyDecides) {
  Start(Table("first"));
  server_->Hold(Holding::kDecisions);
  EXPECT_EQ(Call("/t.S/Read"), "first");
  // To its handler, which knows better than the server why it cannot be.
  EXPECT_EQ(Call("/t.S/Decide", {.deadline = std::chrono::milliseconds(1200)}), "first");
  ASSERT_TRUE(server_->Suspend(kGrace));
  std::string answer;
  std::thread client([&] { answer = Call("/t.S/Decide"); });
  ASSERT_TRUE(server_->Resume(Table("second"), Holding::kDecisions).ok());
  EXPECT_EQ(Call("/t.S/Read"), "second");
  server_->Hold(Holding::kNothing);
  client.join();
  EXPECT_EQ(answer, "second");
}

TEST_F(ServerSuspendTest, MethodsGoButNoneComes) {
  Start(Table("first"));
  ASSERT_TRUE(server_->Suspend(kGrace));
  MethodTable more = Table("second");
  more.unary.push_back({"/t.S/New", Answers("new")});
  EXPECT_THAT(std::string(server_->Resume(more, Holding::kNothing).message()),
              HasSubstr("/t.S/New"));
  MethodTable fewer = Table("second");
  fewer.unary.pop_back();
  ASSERT_TRUE(server_->Resume(fewer, Holding::kNothing).ok());
  EXPECT_EQ(Call("/t.S/Decide"), "second");
  EXPECT_THAT(Call("/t.S/Read"), HasSubstr("not served"));
}

TEST_F(ServerSuspendTest, ShutdownEndsThoseThatWait) {
  Start(Table("first"));
  ASSERT_TRUE(server_->Suspend(kGrace));
  std::string answer;
  std::thread client([&] { answer = Call("/t.S/Read"); });
  Stream stream(channel_, "/t.S/List");
  ASSERT_TRUE(stream.Write("") && stream.WritesDone());
  server_->Shutdown(kGrace);
  client.join();
  EXPECT_FALSE(answer.empty());
  EXPECT_FALSE(stream.Finish().ok());
}

}  // namespace
}  // namespace mansio::rpc
