// Calls to a real server on the loopback.

#include "common/rpc/client.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "common/rpc/server.h"
#include "common/sync/sync.h"

namespace mansio::rpc {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// Writes down what comes; reads on by itself unless told not to.
class Recorder {
 public:
  std::unique_ptr<ClientStreamEvents> Events() { return std::make_unique<EventsOf>(*this); }
  void Use(std::shared_ptr<ClientStream> stream) {
    MutexLock lock(&mutex_);
    stream_ = std::move(stream);
    changed_.SignalAll();
  }
  bool WaitForElements(size_t count) {
    return WaitUntil([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return elements_.size() >= count; });
  }
  absl::Status WaitForEnd() {
    EXPECT_TRUE(WaitUntil([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return ended_; }));
    MutexLock lock(&mutex_);
    return end_;
  }
  std::vector<std::string> elements() {
    MutexLock lock(&mutex_);
    return elements_;
  }
  std::atomic<bool> reads_on{true};

 private:
  class EventsOf final : public ClientStreamEvents {
   public:
    explicit EventsOf(Recorder& recorder) : recorder_(recorder) {}
    void OnElement(Payload element) override { recorder_.OnElement(std::move(element)); }
    void OnEnd(absl::Status status) override { recorder_.OnEnd(std::move(status)); }

   private:
    Recorder& recorder_;
  };

  template <typename Condition>
  bool WaitUntil(Condition condition) {
    const absl::Time end = absl::Now() + kPatience;
    MutexLock lock(&mutex_);
    while (!condition()) {
      if (changed_.WaitUntil(&mutex_, end)) return condition();
    }
    return true;
  }
  void OnElement(Payload element) {
    std::shared_ptr<ClientStream> stream;
    {
      MutexLock lock(&mutex_);
      elements_.push_back(element.Flatten());
      while (stream_ == nullptr) changed_.Wait(&mutex_);
      stream = stream_;
      changed_.SignalAll();
    }
    if (reads_on) stream->Read();
  }
  void OnEnd(absl::Status status) {
    MutexLock lock(&mutex_);
    ended_ = true;
    end_ = std::move(status);
    stream_.reset();
    changed_.SignalAll();
  }

  Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<ClientStream> stream_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> elements_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
};

class EchoStream final : public BidiEvents {
 public:
  explicit EchoStream(std::shared_ptr<BidiCall> call) : call_(std::move(call)) {}
  void OnMessage(std::string_view bytes) override {
    call_->Write(Payload("echo of " + std::string(bytes)));
    if (bytes == "end") call_->Finish(absl::OkStatus());
  }
  void OnHalfClose() override { call_->Finish(absl::OkStatus()); }
  void OnClosed() override {}

 private:
  const std::shared_ptr<BidiCall> call_;
};

class ClientTest : public ::testing::Test {
 protected:
  ClientTest() {
    MethodTable methods;
    methods.unary.push_back({"/t.T/Echo", [](UnaryCall& call) {
                               call.Finish(Payload(std::string(call.Metadata("x-key")) + ":" +
                                                   std::string(call.Request())));
                             }});
    methods.unary.push_back(
        {"/t.T/Refuse", [](UnaryCall& call) { call.Abort(absl::InvalidArgumentError("not so")); }});
    methods.unary.push_back({"/t.T/Never", [this](UnaryCall& call) {
                               MutexLock lock(&mutex_);
                               unanswered_.push_back(&call);
                               waiting_.SignalAll();
                             }});
    methods.server_stream.push_back({"/t.T/Three", [](ServerStreamCall& call) {
                                       std::vector<Payload> elements;
                                       for (const char* one : {"1", "2", "3"}) {
                                         elements.push_back(Payload(one + std::string(5000, 'x')));
                                       }
                                       call.Finish(std::move(elements), [](bool) {});
                                     }});
    methods.server_stream.push_back({"/t.T/OneByOne", [](ServerStreamCall& call) {
                                       call.Write(Payload("first"), [&call](bool) {
                                         std::vector<Payload> rest;
                                         rest.push_back(Payload("last"));
                                         call.Finish(std::move(rest), [](bool) {});
                                       });
                                     }});
    methods.server_stream.push_back({"/t.T/Parked", [this](ServerStreamCall& call) {
                                       call.OnCancel([this, &call] {
                                         call.Finish({}, [](bool) {});
                                         cancelled_.Notify();
                                       });
                                       taken_.Notify();
                                     }});
    // Passes a call on to this server itself, from its rpc thread.
    methods.unary.push_back({"/t.T/Through", [this](UnaryCall& call) {
                               client_->CallUnary(Call("/t.T/Echo"), Payload("through"),
                                                  [&call](absl::StatusOr<Payload> answer) {
                                                    call.Finish(*std::move(answer));
                                                  });
                             }});
    methods.bidi.push_back({"/t.T/Chat", [](std::shared_ptr<BidiCall> call) {
                              return std::make_unique<EchoStream>(std::move(call));
                            }});
    server_ = Server::Start({.listen = "127.0.0.1:0", .generated_dir = ::testing::TempDir()},
                            std::move(methods))
                  .value();
  }
  ~ClientTest() override {
    client_->Stop();
    {
      MutexLock lock(&mutex_);
      for (UnaryCall* call : unanswered_) call->Finish(Payload());
    }
    server_->Shutdown(absl::ZeroDuration());
  }

  OutgoingCall Call(const std::string& path) {
    return {.address = server_->Address(), .path = path, .headers = {{"x-key", "value"}}};
  }
  absl::StatusOr<std::string> Ask(OutgoingCall call, const std::string& request) {
    Mutex mutex;  // ThreadSanitizer sees no order in absl::Notification
    CondVar done;
    std::optional<absl::StatusOr<std::string>> answer;
    client_->CallUnary(std::move(call), Payload(request), [&](absl::StatusOr<Payload> response) {
      MutexLock lock(&mutex);
      if (response.ok()) {
        answer = response->Flatten();
      } else {
        answer = response.status();
      }
      done.SignalAll();
    });
    MutexLock lock(&mutex);
    const absl::Time deadline = absl::Now() + kPatience;
    while (!answer && !done.WaitUntil(&mutex, deadline)) {
    }
    EXPECT_TRUE(answer.has_value());
    return answer.value_or(absl::DeadlineExceededError("no answer"));
  }
  void WaitForUnanswered(size_t count) {
    MutexLock lock(&mutex_);
    while (unanswered_.size() < count) waiting_.Wait(&mutex_);
  }

  const std::unique_ptr<Client> client_ = Client::Create({.max_unsent_bytes = 1 << 20});
  std::unique_ptr<Server> server_;
  absl::Notification taken_;
  absl::Notification cancelled_;
  Mutex mutex_;
  CondVar waiting_;
  std::vector<UnaryCall*> unanswered_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(ClientTest, UnaryCallsCarryHeadersAndBytes) {
  EXPECT_EQ(*Ask(Call("/t.T/Echo"), "hello"), "value:hello");
  const std::string large(3 << 20, 'x');
  EXPECT_EQ(*Ask(Call("/t.T/Echo"), large), "value:" + large);
  EXPECT_EQ(*Ask(Call("/t.T/Echo"), ""), "value:");
  EXPECT_EQ(Ask(Call("/t.T/Refuse"), "x").status(), absl::InvalidArgumentError("not so"));
  EXPECT_EQ(Ask(Call("/t.T/Unknown"), "x").status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ClientTest, ACallFromAnRpcThreadStaysThere) {
  EXPECT_EQ(*Ask(Call("/t.T/Through"), "x"), "value:through");
}

TEST_F(ClientTest, AnUnreachableNodeIsUnavailable) {
  OutgoingCall call = Call("/t.T/Echo");
  call.address = "127.0.0.1:1";
  EXPECT_EQ(Ask(call, "x").status().code(), absl::StatusCode::kUnavailable);
  Recorder recorder;
  recorder.Use(client_->CallServerStream(call, Payload("x"), recorder.Events()));
  EXPECT_EQ(recorder.WaitForEnd().code(), absl::StatusCode::kUnavailable);
}

TEST_F(ClientTest, ADeadlinePasses) {
  OutgoingCall call = Call("/t.T/Never");
  call.deadline = absl::Now() + absl::Milliseconds(50);
  EXPECT_EQ(Ask(call, "x").status().code(), absl::StatusCode::kDeadlineExceeded);
  WaitForUnanswered(1);
}

TEST_F(ClientTest, StreamsComeElementByElement) {
  Recorder three;
  three.Use(client_->CallServerStream(Call("/t.T/Three"), Payload("x"), three.Events()));
  EXPECT_TRUE(three.WaitForEnd().ok());
  ASSERT_EQ(three.elements().size(), 3u);
  EXPECT_EQ(three.elements()[2][0], '3');

  Recorder one_by_one;
  one_by_one.Use(
      client_->CallServerStream(Call("/t.T/OneByOne"), Payload("x"), one_by_one.Events()));
  EXPECT_TRUE(one_by_one.WaitForEnd().ok());
  EXPECT_EQ(one_by_one.elements(), (std::vector<std::string>{"first", "last"}));
}

TEST_F(ClientTest, CancellingReachesTheServer) {
  Recorder recorder;
  const auto stream =
      client_->CallServerStream(Call("/t.T/Parked"), Payload("x"), recorder.Events());
  recorder.Use(stream);
  stream->Cancel();
  EXPECT_EQ(recorder.WaitForEnd().code(), absl::StatusCode::kCancelled);
}

TEST_F(ClientTest, ACancelledCallThatWasTakenIsCancelledThere) {
  Recorder recorder;
  const auto stream =
      client_->CallServerStream(Call("/t.T/Parked"), Payload("x"), recorder.Events());
  recorder.Use(stream);
  ASSERT_TRUE(taken_.WaitForNotificationWithTimeout(kPatience));
  stream->Cancel();
  EXPECT_EQ(recorder.WaitForEnd().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(cancelled_.WaitForNotificationWithTimeout(kPatience));
}

TEST_F(ClientTest, ABidiStreamTakesAndGives) {
  Recorder recorder;
  const auto stream = client_->OpenBidi(Call("/t.T/Chat"), recorder.Events());
  recorder.Use(stream);
  EXPECT_TRUE(stream->Write(Payload("a")));
  EXPECT_TRUE(stream->Write(Payload("b")));
  ASSERT_TRUE(recorder.WaitForElements(2));
  EXPECT_EQ(recorder.elements(), (std::vector<std::string>{"echo of a", "echo of b"}));
  EXPECT_TRUE(stream->Write(Payload("end")));
  EXPECT_TRUE(recorder.WaitForEnd().ok());
  EXPECT_FALSE(stream->Write(Payload("after")));
}

TEST_F(ClientTest, OneElementWaitsWhateverItsSizeAndNoMoreBeyondTheLimit) {
  // Connections are made, and nothing is ever answered on them.
  const int silent = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(bind(silent, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(silent, 4), 0);
  ASSERT_EQ(getsockname(silent, reinterpret_cast<sockaddr*>(&address), &length), 0);
  OutgoingCall call = Call("/t.T/Chat");
  call.address = fmt::format("127.0.0.1:{}", ntohs(address.sin_port));
  Recorder recorder;
  const auto stream = client_->OpenBidi(std::move(call), recorder.Events());
  recorder.Use(stream);
  EXPECT_TRUE(stream->Write(Payload(std::string(2 << 20, 'x'))));
  EXPECT_FALSE(stream->Write(Payload("y")));
  stream->Cancel();
  EXPECT_FALSE(recorder.WaitForEnd().ok());
  close(silent);
}

TEST_F(ClientTest, StopEndsWhatIsUnderWayAndRefusesTheRest) {
  Recorder recorder;
  recorder.Use(client_->CallServerStream(Call("/t.T/Parked"), Payload("x"), recorder.Events()));
  client_->Stop();
  EXPECT_FALSE(recorder.WaitForEnd().ok());
  EXPECT_EQ(Ask(Call("/t.T/Echo"), "x").status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace mansio::rpc
