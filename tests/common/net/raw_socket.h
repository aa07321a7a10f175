#ifndef MANSIO_TESTS_COMMON_NET_RAW_SOCKET_H_
#define MANSIO_TESTS_COMMON_NET_RAW_SOCKET_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mansio::net {

// A blocking TCP client for tests of what is below gRPC. Every operation gives up after 20 s, so
// that a server that never answers fails the test instead of hanging it.
class RawSocket {
 public:
  explicit RawSocket(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  RawSocket(RawSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_) {}
  ~RawSocket() { Close(); }

  bool connected() const { return connected_; }
  bool Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    return true;
  }
  // Everything up to the end of the stream; `*closed` is false if that did not come in time.
  std::string ReadToEnd(bool* closed) {
    std::string all;
    char buffer[4096];
    while (true) {
      const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
      if (count <= 0) {
        *closed = count == 0 || errno == ECONNRESET;
        return all;
      }
      all.append(buffer, static_cast<size_t>(count));
    }
  }
  // At least `size` bytes, fewer only at the end of the stream.
  std::string Read(size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t count = recv(fd_, bytes.data() + have, size - have, 0);
      if (count <= 0) break;
      have += static_cast<size_t>(count);
    }
    bytes.resize(have);
    return bytes;
  }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  bool connected_ = false;
};

// The port at the end of HOST:PORT.
inline uint16_t PortOf(std::string_view address) {
  return static_cast<uint16_t>(std::stoi(std::string(address.substr(address.rfind(':') + 1))));
}

}  // namespace mansio::net

#endif  // MANSIO_TESTS_COMMON_NET_RAW_SOCKET_H_
