#include "common/net/listener.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "common/logging/logging.h"
#include "common/net/address.h"
#include "common/net/connection_table.h"
#include "common/net/first_bytes.h"
#include "common/net/listening_socket.h"

namespace mansio::net {
namespace {

// With no descriptor left, accepting again at once would only spin.
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(200);
// Counting the open connections looks at each descriptor.
constexpr absl::Duration kBetweenCounts = absl::Milliseconds(50);
// Looking at one connection takes 1 to 2 us: so it stays under 2 % of a core.
constexpr absl::Duration kCheckTimePerConnection = absl::Microseconds(100);
// Strangers can provoke these lines as often as they like.
constexpr absl::Duration kBetweenLogLines = absl::Seconds(10);

void Warn(logging::RateLimit& limit, std::string text) {
  if (const auto left_out = limit.Admit()) {
    LOG_WARNING("{}", logging::WithLeftOut(std::move(text), *left_out));
  }
}

constexpr std::string_view kHttp1Answer =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 64\r\n"
    "Connection: close\r\n"
    "\r\n"
    "This port speaks gRPC (HTTP/2), not HTTP/1. Use a gRPC client.\r\n";

std::string SocketAddressText(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    return fmt::format("[{}]:{}", text, ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, ntohs(v4.sin_port));
}

std::string PeerText(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "a closed peer";
  return SocketAddressText(address);
}

class EpollListener final : public Listener {
 public:
  EpollListener(ListenerOptions options, HostPort address, int fd)
      : options_(std::move(options)),
        address_(std::move(address)),
        listen_fd_(fd),
        epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
        stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~EpollListener() override {
    Stop();
    close(stop_fd_);
    close(epoll_fd_);
    if (listen_fd_ >= 0) close(listen_fd_);
  }

  void Start(Handler handler) override {
    handler_ = std::move(handler);
    thread_ = std::thread([this] { Run(); });
    pthread_setname_np(thread_.native_handle(), "accept");
  }

  void Stop() override {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    if (write(stop_fd_, &one, sizeof(one)) < 0)
      return;  // cannot fail: the counter is far from full
    thread_.join();
  }

  std::string Address() const override { return address_.ToString(); }
  int64_t OpenConnections() const override {
    return handed_over_.CountOpen() + silent_count_.load();
  }

  bool valid() const { return epoll_fd_ >= 0 && stop_fd_ >= 0; }

 private:
  // A connection that has not yet shown what it speaks.
  struct Silent {
    uint64_t number;  // tells it from another one that later has the same descriptor
    bool wants_more;
  };
  struct Expiry {
    absl::Time when;
    int fd;
    uint64_t number;
  };

  void Run();
  void Watch(int operation, int fd, uint32_t events);
  int WaitMilliseconds() const;
  void AcceptAll();
  bool AtLimit();
  void TakeIn(int fd);
  void Look(int fd);
  void HandOver(int fd, Protocol protocol);
  void RefuseHttp1(int fd);
  void Drop(int fd);
  void DropExpired();
  void CutFloods();
  void Pause(const char* error);
  void ResumeIfDue();

  const ListenerOptions options_;
  const HostPort address_;
  int listen_fd_;
  const int epoll_fd_;
  const int stop_fd_;
  Handler handler_;
  std::thread thread_;

  // Of the listener's thread.
  absl::flat_hash_map<int, Silent> silent_;
  std::deque<Expiry> expiries_;  // in order of time, as all wait equally long
  uint64_t next_number_ = 0;
  absl::Time resume_ = absl::InfiniteFuture();  // while accepting is paused
  absl::Time next_count_ = absl::InfinitePast();
  absl::Time next_check_ = absl::InfinitePast();
  logging::RateLimit limit_log_{kBetweenLogLines};
  logging::RateLimit silent_log_{kBetweenLogLines};
  logging::RateLimit protocol_log_{kBetweenLogLines};
  logging::RateLimit descriptor_log_{kBetweenLogLines};
  logging::RateLimit flood_log_{kBetweenLogLines};

  mutable ConnectionTable handed_over_;
  std::atomic<int64_t> silent_count_{0};
};

void EpollListener::Run() {
  Watch(EPOLL_CTL_ADD, listen_fd_, EPOLLIN);
  Watch(EPOLL_CTL_ADD, stop_fd_, EPOLLIN);
  epoll_event events[64];
  bool stopping = false;
  while (!stopping) {
    const int count = epoll_wait(epoll_fd_, events, 64, WaitMilliseconds());
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_fd_) {
        stopping = true;
      } else if (fd == listen_fd_) {
        AcceptAll();
      } else if (silent_.contains(fd)) {
        Look(fd);
      }
    }
    DropExpired();
    CutFloods();
    ResumeIfDue();
  }
  while (!silent_.empty()) Drop(silent_.begin()->first);
  close(std::exchange(listen_fd_, -1));
}

void EpollListener::Watch(int operation, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_fd_, operation, fd, &event);
}

int EpollListener::WaitMilliseconds() const {
  absl::Time next = resume_;
  if (!expiries_.empty()) next = std::min(next, expiries_.front().when);
  if (handed_over_.Known() > 0) next = std::min(next, next_check_);
  if (next == absl::InfiniteFuture()) return -1;
  const absl::Duration left = std::max(next - absl::Now(), absl::ZeroDuration());
  return static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
}

void EpollListener::AcceptAll() {
  while (true) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      TakeIn(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) Pause(strerror(errno));
    return;
  }
}

// No descriptors or no memory: the connections that wait stay in the backlog, and the loop goes on
// with those it has.
void EpollListener::Pause(const char* error) {
  Warn(descriptor_log_, fmt::format("cannot accept connections on {}: {}; raise the limit of open "
                                    "files (ulimit -n) or lower the "
                                    "limit of connections, now {}",
                                    Address(), error, options_.max_connections));
  Watch(EPOLL_CTL_DEL, listen_fd_, 0);
  resume_ = absl::Now() + kPauseWithoutDescriptors;
}

void EpollListener::ResumeIfDue() {
  if (resume_ > absl::Now()) return;
  resume_ = absl::InfiniteFuture();
  Watch(EPOLL_CTL_ADD, listen_fd_, EPOLLIN);
}

bool EpollListener::AtLimit() {
  const auto silent = static_cast<int64_t>(silent_.size());
  if (handed_over_.Known() + silent < options_.max_connections) return false;
  const absl::Time now = absl::Now();
  if (now < next_count_) return true;
  next_count_ = now + kBetweenCounts;
  return handed_over_.CountOpen() + silent >= options_.max_connections;
}

void EpollListener::TakeIn(int fd) {
  handed_over_.Forget(fd);
  if (AtLimit()) {
    Warn(limit_log_,
         fmt::format("refused a connection from {}: {} connections are open on {}, which "
                     "is the limit (limits.connections)",
                     PeerText(fd), options_.max_connections, Address()));
    close(fd);
    return;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  const uint64_t number = next_number_++;
  silent_.emplace(fd, Silent{number, false});
  silent_count_.store(static_cast<int64_t>(silent_.size()));
  expiries_.push_back({absl::Now() + options_.silent_connection, fd, number});
  Watch(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP);
}

void EpollListener::Look(int fd) {
  char bytes[kBytesToDecide];
  const ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {  // closed again: port scanners and load balancers' checks do this
    Drop(fd);
    return;
  }
  switch (Classify({bytes, static_cast<size_t>(count)})) {
    case FirstBytes::kTls:
      return HandOver(fd, Protocol::kTls);
    case FirstBytes::kHttp2:
      return HandOver(fd, Protocol::kPlaintext);
    case FirstBytes::kHttp1:
      return RefuseHttp1(fd);
    case FirstBytes::kUndecided: {
      Silent& silent = silent_.at(fd);
      if (silent.wants_more) return Drop(fd);  // woken again without more bytes: it was closed
      silent.wants_more = true;
      const int wanted = kBytesToDecide;  // else the bytes that are there would wake us for ever
      setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof(wanted));
      return;
    }
    case FirstBytes::kUnknown:
      Warn(protocol_log_,
           fmt::format("closed a connection from {} on {}: it speaks neither TLS nor HTTP/2",
                       PeerText(fd), Address()));
      return Drop(fd);
  }
}

void EpollListener::HandOver(int fd, Protocol protocol) {
  if (silent_.at(fd).wants_more) {
    const int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
  }
  silent_.erase(fd);
  silent_count_.store(static_cast<int64_t>(silent_.size()));
  Watch(EPOLL_CTL_DEL, fd, 0);
  handed_over_.Add(fd);
  handler_(fd, protocol);
}

void EpollListener::RefuseHttp1(int fd) {
  Warn(protocol_log_, fmt::format("refused an HTTP/1 request from {}: {} speaks gRPC (HTTP/2)",
                                  PeerText(fd), Address()));
  // Unread bytes would turn the close into a reset, which can overtake the answer.
  char ignored[16 * 1024];
  if (recv(fd, ignored, sizeof(ignored), MSG_DONTWAIT) < 0) return Drop(fd);
  if (send(fd, kHttp1Answer.data(), kHttp1Answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
    shutdown(fd, SHUT_WR);
  }
  Drop(fd);
}

void EpollListener::Drop(int fd) {
  silent_.erase(fd);
  silent_count_.store(static_cast<int64_t>(silent_.size()));
  close(fd);
}

void EpollListener::DropExpired() {
  const absl::Time now = absl::Now();
  while (!expiries_.empty() && expiries_.front().when <= now) {
    const Expiry expiry = expiries_.front();
    expiries_.pop_front();
    const auto found = silent_.find(expiry.fd);
    if (found == silent_.end() || found->second.number != expiry.number) continue;
    Warn(silent_log_, fmt::format("closed a connection from {} on {}: it said nothing for {}",
                                  PeerText(expiry.fd), Address(),
                                  absl::FormatDuration(options_.silent_connection)));
    Drop(expiry.fd);
  }
}

// The owner of the descriptor sees the connection end and closes it.
void EpollListener::CutFloods() {
  const absl::Time now = absl::Now();
  if (now < next_check_ || handed_over_.Known() == 0) return;
  const int64_t connections = handed_over_.CountOpen();  // forgets the closed ones, too
  next_check_ = now + std::max(options_.check_interval, kCheckTimePerConnection * connections);
  for (const int fd : handed_over_.FindUnanswered(options_.max_unanswered_bytes)) {
    Warn(flood_log_, fmt::format("cut off the connection from {} on {}: it sent more than {} bytes "
                                 "that need no answer, such as endless headers",
                                 PeerText(fd), Address(), options_.max_unanswered_bytes));
    shutdown(fd, SHUT_RDWR);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Bind(ListenerOptions options) {
  absl::StatusOr<ListeningSocket> socket = ListenOn(options.listen);
  if (!socket.ok()) return socket.status();
  auto listener =
      std::make_unique<EpollListener>(std::move(options), std::move(socket->address), socket->fd);
  if (!listener->valid()) {
    return CannotListen(listener->Address(),
                        "no descriptor is left for its event loop; raise the "
                        "limit of open files (ulimit -n)");
  }
  return listener;
}

}  // namespace mansio::net
