#include "common/net/listening_socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/net/port_holder.h"

namespace mansio::net {
namespace {

constexpr int kBacklog = 1024;

absl::Status PortTaken(const std::string& listen, uint16_t port) {
  std::string holder = DescribePortHolder(port);
  if (holder.empty()) holder = "another process";
  return CannotListen(
      listen, fmt::format("the port is taken by {}; stop it, or listen on another port", holder));
}

// A bound, listening socket for one resolved address; the errno of what failed otherwise, negative.
int OpenListeningSocket(const addrinfo& address) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, address.ai_addr, address.ai_addrlen) != 0 || listen(fd, kBacklog) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

}  // namespace

absl::Status CannotListen(const std::string& listen, std::string_view why) {
  return absl::UnavailableError(fmt::format("cannot listen on {}: {}", listen, why));
}

absl::StatusOr<ListeningSocket> ListenOn(const std::string& listen) {
  absl::StatusOr<HostPort> address = ParseHostPort(listen);
  if (!address.ok()) return CannotListen(listen, address.status().message().data());

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* resolved = nullptr;
  const int error =
      getaddrinfo(address->host.c_str(), std::to_string(address->port).c_str(), &hints, &resolved);
  if (error != 0) {
    return CannotListen(listen,
                        fmt::format("{}; give an address of this machine", gai_strerror(error)));
  }
  const int fd = OpenListeningSocket(*resolved);
  freeaddrinfo(resolved);
  if (fd == -EADDRINUSE) return PortTaken(listen, address->port);
  if (fd < 0) {
    return CannotListen(listen,
                        fmt::format("{}; give an address of this machine and a port that this user "
                                    "may use",
                                    strerror(-fd)));
  }
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  if (address->port == 0 && getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) == 0) {
    address->port =
        ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6&>(bound).sin6_port
                                          : reinterpret_cast<const sockaddr_in&>(bound).sin_port);
  }
  return ListeningSocket{fd, *std::move(address)};
}

}  // namespace mansio::net
