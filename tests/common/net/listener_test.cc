#include "common/net/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/logging/logging.h"
#include "common/net/first_bytes.h"
#include "common/sync/sync.h"
#include "tests/common/net/raw_socket.h"

namespace mansio::net {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

TEST(Classify, TellsProtocolsByTheirFirstBytes) {
  EXPECT_EQ(Classify("\x16"), FirstBytes::kTls);
  EXPECT_EQ(Classify("\x16\x03\x01"), FirstBytes::kTls);
  EXPECT_EQ(Classify(kPreface), FirstBytes::kHttp2);
  EXPECT_EQ(Classify("P"), FirstBytes::kUndecided);
  EXPECT_EQ(Classify("PR"), FirstBytes::kUndecided);
  EXPECT_EQ(Classify("POST / HTTP/1.1"), FirstBytes::kHttp1);
  EXPECT_EQ(Classify("PUT"), FirstBytes::kHttp1);
  EXPECT_EQ(Classify("G"), FirstBytes::kHttp1);
  EXPECT_EQ(Classify(std::string_view("\0\0\0", 3)), FirstBytes::kUnknown);
  EXPECT_EQ(Classify("pri"), FirstBytes::kUnknown);
}

// Keeps what the listener hands over, and greets each connection with one byte.
class Taken {
 public:
  void Take(int fd, Protocol protocol) {
    MutexLock lock(&mutex_);
    send(fd, "!", 1, MSG_NOSIGNAL);
    taken_.emplace_back(fd, protocol);
    changed_.SignalAll();
  }
  // The connection number `index`, once it has come; {-1, …} if it does not come in time.
  std::pair<int, Protocol> Wait(size_t index) {
    MutexLock lock(&mutex_);
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (taken_.size() <= index) {
      if (changed_.WaitUntil(&mutex_, deadline)) return {-1, Protocol::kPlaintext};
    }
    return taken_[index];
  }
  size_t size() {
    MutexLock lock(&mutex_);
    return taken_.size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::pair<int, Protocol>> taken_ ABSL_GUARDED_BY(mutex_);
};

class ListenerTest : public ::testing::Test {
 protected:
  void Start(ListenerOptions options) {
    options.listen = "127.0.0.1:0";
    auto listener = Listener::Bind(options);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    listener_->Start([this](int fd, Protocol protocol) { taken_.Take(fd, protocol); });
    port_ = PortOf(listener_->Address());
  }

  std::unique_ptr<Listener> listener_;
  Taken taken_;
  uint16_t port_ = 0;
};

TEST_F(ListenerTest, HandsOverByProtocolAndLeavesTheBytes) {
  Start({});
  RawSocket plain(port_);
  ASSERT_TRUE(plain.Send(kPreface));
  const auto [plain_fd, plain_protocol] = taken_.Wait(0);
  EXPECT_EQ(plain_protocol, Protocol::kPlaintext);
  char bytes[64];
  EXPECT_EQ(recv(plain_fd, bytes, sizeof(bytes), 0), static_cast<ssize_t>(kPreface.size()));

  RawSocket tls(port_);
  ASSERT_TRUE(tls.Send("\x16\x03\x01"));
  EXPECT_EQ(taken_.Wait(1).second, Protocol::kTls);
  EXPECT_EQ(listener_->OpenConnections(), 2);
  close(plain_fd);
  EXPECT_EQ(listener_->OpenConnections(), 1);
  close(taken_.Wait(1).first);
}

TEST_F(ListenerTest, WaitsForAPrefaceThatComesInPieces) {
  Start({});
  RawSocket slow(port_);
  ASSERT_TRUE(slow.Send("P"));
  RawSocket other(port_);  // is not held up
  ASSERT_TRUE(other.Send(kPreface));
  close(taken_.Wait(0).first);
  ASSERT_TRUE(slow.Send("RI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
  const auto [fd, protocol] = taken_.Wait(1);
  EXPECT_EQ(protocol, Protocol::kPlaintext);
  close(fd);
}

TEST_F(ListenerTest, TellsAnHttp1ClientWhatThisPortSpeaks) {
  Start({});
  for (const char* request : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /a HTTP/1.0\r\n\r\n"}) {
    RawSocket client(port_);
    ASSERT_TRUE(client.Send(request));
    bool closed = false;
    const std::string answer = client.ReadToEnd(&closed);
    EXPECT_TRUE(closed);
    EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(answer, HasSubstr("speaks gRPC"));
    const size_t body = answer.find("\r\n\r\n") + 4;
    EXPECT_THAT(answer,
                HasSubstr("Content-Length: " + std::to_string(answer.size() - body) + "\r\n"));
  }
  EXPECT_EQ(taken_.size(), 0u);
}

TEST_F(ListenerTest, ClosesWhatIsNeitherTlsNorHttp) {
  Start({});
  RawSocket client(port_);
  ASSERT_TRUE(client.Send(std::string_view("\0\1\2\3", 4)));
  bool closed = false;
  EXPECT_EQ(client.ReadToEnd(&closed), "");
  EXPECT_TRUE(closed);
}

TEST_F(ListenerTest, ClosesAConnectionThatSaysNothing) {
  Start({.silent_connection = absl::Milliseconds(20)});
  const logging::LogCapture log;
  RawSocket silent(port_);
  RawSocket half(port_);
  ASSERT_TRUE(half.Send("PR"));
  bool closed = false;
  EXPECT_EQ(silent.ReadToEnd(&closed), "");
  EXPECT_TRUE(closed);
  EXPECT_EQ(half.ReadToEnd(&closed), "");
  EXPECT_TRUE(closed);
  listener_->Stop();
  EXPECT_TRUE(log.Contains("it said nothing for 20ms"));
}

TEST_F(ListenerTest, RefusesConnectionsBeyondTheLimitUntilOneCloses) {
  Start({.max_connections = 2});
  RawSocket first(port_);
  ASSERT_TRUE(first.Send(kPreface));
  const int first_fd = taken_.Wait(0).first;
  RawSocket second(port_);
  ASSERT_TRUE(second.Send(kPreface));
  taken_.Wait(1);

  const logging::LogCapture log;
  RawSocket third(port_);
  bool closed = false;
  EXPECT_EQ(third.ReadToEnd(&closed), "");
  EXPECT_TRUE(closed);
  EXPECT_TRUE(log.Contains("2 connections are open"));

  close(first_fd);  // as gRPC does, without telling the listener
  std::string greeting;
  while (greeting.empty()) {  // refused until the listener has counted again
    RawSocket again(port_);
    if (again.Send(kPreface)) greeting = again.Read(1);
  }
  EXPECT_EQ(taken_.size(), 3u);
}

// Reads all that comes on `fd`, with one byte in answer to each read if `answering`.
std::thread Drain(int fd, bool answering) {
  fcntl(fd, F_SETFL, 0);  // blocking
  return std::thread([fd, answering] {
    char bytes[4096];
    while (recv(fd, bytes, sizeof(bytes), 0) > 0) {
      if (answering) send(fd, "?", 1, MSG_NOSIGNAL);
    }
  });
}

TEST_F(ListenerTest, CutsOffAPeerThatOnlySends) {
  Start({.max_unanswered_bytes = 50'000, .check_interval = absl::Milliseconds(10)});
  const logging::LogCapture log;
  RawSocket client(port_);
  ASSERT_TRUE(client.Send(kPreface));
  const int fd = taken_.Wait(0).first;
  std::thread drain = Drain(fd, false);
  while (client.Send(std::string(1000, 'x'))) {
  }
  drain.join();
  EXPECT_TRUE(log.Contains("cut off the connection from 127.0.0.1:"));
  close(fd);
}

TEST_F(ListenerTest, KeepsAPeerThatIsAnswered) {
  Start({.max_unanswered_bytes = 50'000, .check_interval = absl::Milliseconds(1)});
  RawSocket client(port_);
  ASSERT_TRUE(client.Send(kPreface));
  const int fd = taken_.Wait(0).first;
  ASSERT_EQ(client.Read(1), "!");
  std::thread drain = Drain(fd, true);
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(client.Send(std::string(2000, 'x')));
    ASSERT_EQ(client.Read(1), "?");
  }
  client.Close();
  drain.join();
  close(fd);
}

TEST_F(ListenerTest, NamesTheHolderOfATakenPort) {
  Start({});
  const auto second = Listener::Bind({.listen = listener_->Address()});
  ASSERT_FALSE(second.ok());
  const std::string message(second.status().message());
  EXPECT_THAT(message, HasSubstr("cannot listen on " + listener_->Address()));
  EXPECT_THAT(message, HasSubstr("taken by process " + std::to_string(getpid()) + " ("));
}

TEST_F(ListenerTest, SaysWhyAnAddressCannotBeUsed) {
  for (const char* listen : {"192.0.2.1:0", "nowhere.invalid:0", "127.0.0.1", "127.0.0.1:x"}) {
    const auto listener = Listener::Bind({.listen = listen});
    ASSERT_FALSE(listener.ok()) << listen;
    EXPECT_THAT(std::string(listener.status().message()),
                HasSubstr(std::string("cannot listen on ") + listen));
  }
}

TEST_F(ListenerTest, StopClosesThePortAndSilentConnections) {
  Start({});
  RawSocket silent(port_);
  ASSERT_TRUE(silent.connected());
  listener_->Stop();
  bool closed = false;
  silent.ReadToEnd(&closed);
  EXPECT_TRUE(closed);
  EXPECT_FALSE(RawSocket(port_).connected());
}

// Lets the process open only `more` descriptors above those it has.
class LimitedDescriptors {
 public:
  explicit LimitedDescriptors(int more) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(0);
    close(lowest_free);
    rlimit lowered = before_;
    lowered.rlim_cur = static_cast<rlim_t>(lowest_free + more);
    setrlimit(RLIMIT_NOFILE, &lowered);
  }
  ~LimitedDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ListenerTest, GoesOnWhenDescriptorsAreFreeAgain) {
  Start({});
  RawSocket early(port_);
  ASSERT_TRUE(early.Send(kPreface));
  const int early_fd = taken_.Wait(0).first;
  const logging::LogCapture log;
  std::unique_ptr<RawSocket> waiting;
  {
    // One descriptor for the client, and none for the server's side of the connection.
    const LimitedDescriptors limit(1);
    waiting = std::make_unique<RawSocket>(port_);
    ASSERT_TRUE(waiting->Send(kPreface));
    while (!log.Contains("ulimit -n")) std::this_thread::yield();
    // The connection that is there goes on meanwhile.
    ASSERT_TRUE(early.Send("x"));
    char bytes[64];
    EXPECT_GT(recv(early_fd, bytes, sizeof(bytes), 0), 0);
  }
  EXPECT_TRUE(log.Contains("cannot accept connections"));
  EXPECT_NE(taken_.Wait(1).first, -1);
}

}  // namespace
}  // namespace mansio::net
