#include "common/net/http_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "common/net/listening_socket.h"

namespace mansio::net {
namespace {

constexpr size_t kMaxRequestBytes = 8 * 1024;
// With no descriptor left, accepting again at once would only spin.
constexpr absl::Duration kPauseWithoutDescriptors = absl::Milliseconds(200);

std::string_view ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

std::string Encode(const HttpResponse& response, bool with_body) {
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n",
      response.status, ReasonOf(response.status), response.content_type, response.body.size(),
      response.status == 405 ? "Allow: GET, HEAD\r\n" : "");
  if (with_body) text += response.body;
  return text;
}

HttpResponse Refusal(int status, std::string sentence) {
  return {.status = status, .body = std::move(sentence) + "\n"};
}

// One connection: it reads a request's head, then writes the answer, then it is over.
class Connection {
 public:
  Connection(int fd, absl::Time deadline) : fd_(fd), deadline_(deadline) {}
  Connection(Connection&& other) noexcept { *this = std::move(other); }
  Connection& operator=(Connection&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(deadline_, other.deadline_);
    std::swap(request_, other.request_);
    std::swap(answer_, other.answer_);
    std::swap(sent_, other.sent_);
    return *this;
  }
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }

  pollfd Poll() const { return {fd_, static_cast<short>(answer_.empty() ? POLLIN : POLLOUT), 0}; }
  absl::Time deadline() const { return deadline_; }

  // Goes on as far as the peer lets it; false when the connection is over.
  bool Continue(const HttpServer::Handler& handler, absl::Duration patience) {
    if (answer_.empty()) {
      if (!ReadHead()) return false;
      if (request_.find("\r\n\r\n") == std::string::npos && request_.size() < kMaxRequestBytes) {
        return true;
      }
      answer_ = Answer(handler);
      deadline_ = absl::Now() + patience;
    }
    return Send();
  }

 private:
  bool ReadHead() {
    char bytes[4096];
    for (;;) {
      const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
      if (count <= 0) return false;
      request_.append(bytes, static_cast<size_t>(count));
      if (request_.size() >= kMaxRequestBytes) return true;
    }
  }

  std::string Answer(const HttpServer::Handler& handler) const {
    const std::string_view head(request_);
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const size_t method_end = line.find(' ');
    const size_t target_end = line.rfind(' ');
    if (head.find("\r\n\r\n") == std::string_view::npos || method_end == std::string_view::npos ||
        target_end <= method_end || !line.substr(target_end + 1).starts_with("HTTP/1.")) {
      return Encode(Refusal(400, "This is not an HTTP/1.1 request of at most 8 KiB."), true);
    }
    const std::string_view method = line.substr(0, method_end);
    if (method != "GET" && method != "HEAD") {
      return Encode(Refusal(405, "Only GET and HEAD are answered here."), true);
    }
    std::string_view path = line.substr(method_end + 1, target_end - method_end - 1);
    path = path.substr(0, path.find('?'));
    return Encode(handler(path), method == "GET");
  }

  bool Send() {
    while (sent_ < answer_.size()) {
      const ssize_t count =
          send(fd_, answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK;
      sent_ += static_cast<size_t>(count);
    }
    shutdown(fd_, SHUT_WR);
    return false;
  }

  int fd_ = -1;
  absl::Time deadline_;
  std::string request_;
  std::string answer_;  // empty until the request is there
  size_t sent_ = 0;
};

class PollServer final : public HttpServer {
 public:
  PollServer(HttpServerOptions options, Handler handler, ListeningSocket socket)
      : options_(std::move(options)),
        handler_(std::move(handler)),
        address_(std::move(socket.address)),
        listen_fd_(socket.fd),
        stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~PollServer() override {
    Stop();
    if (stop_fd_ >= 0) close(stop_fd_);
    if (listen_fd_ >= 0) close(listen_fd_);
  }

  bool valid() const { return stop_fd_ >= 0; }
  void Run() {
    thread_ = std::thread([this] { Loop(); });
    pthread_setname_np(thread_.native_handle(), options_.name.c_str());
  }

  std::string Address() const override { return address_.ToString(); }
  void Stop() override {
    if (!thread_.joinable()) return;
    const uint64_t one = 1;
    if (write(stop_fd_, &one, sizeof(one)) < 0) return;  // cannot fail: the counter is not full
    thread_.join();
  }

 private:
  void Loop();
  int WaitMilliseconds() const;
  void AcceptAll();

  const HttpServerOptions options_;
  const Handler handler_;
  const HostPort address_;
  int listen_fd_;
  const int stop_fd_;
  std::thread thread_;
  // Of the thread.
  std::vector<Connection> connections_;
  absl::Time accept_again_ = absl::InfinitePast();
};

void PollServer::Loop() {
  for (;;) {
    const bool accepting = connections_.size() < static_cast<size_t>(options_.connections) &&
                           absl::Now() >= accept_again_;
    std::vector<pollfd> polled = {{stop_fd_, POLLIN, 0}, {accepting ? listen_fd_ : -1, POLLIN, 0}};
    for (const Connection& connection : connections_) polled.push_back(connection.Poll());
    poll(polled.data(), polled.size(), WaitMilliseconds());
    if (polled[0].revents != 0) break;
    const absl::Time now = absl::Now();
    std::vector<Connection> open;
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (polled[i + 2].revents != 0) {
        if (!connections_[i].Continue(handler_, options_.patience)) continue;
      } else if (connections_[i].deadline() <= now) {
        continue;
      }
      open.push_back(std::move(connections_[i]));
    }
    connections_ = std::move(open);
    if (polled[1].revents != 0) AcceptAll();
  }
  connections_.clear();
  close(std::exchange(listen_fd_, -1));
}

int PollServer::WaitMilliseconds() const {
  absl::Time next = absl::InfiniteFuture();
  if (accept_again_ > absl::Now()) next = accept_again_;
  for (const Connection& connection : connections_) next = std::min(next, connection.deadline());
  if (next == absl::InfiniteFuture()) return -1;
  const absl::Duration left = std::max(next - absl::Now(), absl::ZeroDuration());
  return static_cast<int>(absl::ToInt64Milliseconds(left)) + 1;
}

void PollServer::AcceptAll() {
  while (connections_.size() < static_cast<size_t>(options_.connections)) {
    const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      connections_.emplace_back(fd, absl::Now() + options_.patience);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      accept_again_ = absl::Now() + kPauseWithoutDescriptors;
    }
    return;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options,
                                                              Handler handler) {
  absl::StatusOr<ListeningSocket> socket = ListenOn(options.listen);
  if (!socket.ok()) return socket.status();
  auto server =
      std::make_unique<PollServer>(std::move(options), std::move(handler), *std::move(socket));
  if (!server->valid()) {
    return CannotListen(server->Address(),
                        "no descriptor is left for its event loop; raise the limit of open files "
                        "(ulimit -n)");
  }
  server->Run();
  return server;
}

}  // namespace mansio::net
