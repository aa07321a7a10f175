#include "broker/server/advertise.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "common/net/address.h"

namespace mansio::broker {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

// Connects one socket; 0 or the errno that says why not.
int Connect(const addrinfo& address, absl::Duration timeout) {
  const int fd = socket(address.ai_family, address.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                        address.ai_protocol);
  if (fd < 0) return errno;
  int error = connect(fd, address.ai_addr, address.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    pollfd waiting{fd, POLLOUT, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout)));
    socklen_t size = sizeof(error);
    if (ready == 0) {
      error = ETIMEDOUT;
    } else if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
      error = errno;
    }
  }
  close(fd);
  return error;
}

}  // namespace

absl::StatusOr<HostPort> AdvertisedAddress(const BrokerConfig& config) {
  if (!config.advertise.empty()) return config.advertise;
  const auto listen = net::ParseHostPort(config.listen.ToString());
  if (!listen.ok()) return listen.status();
  return ParseHostPort(net::DefaultAdvertised(*listen).ToString());
}

absl::Status CheckReachable(const HostPort& address, absl::Duration timeout) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (failure != 0) {
    return absl::UnavailableError(
        fmt::format("{} cannot be looked up: {}", address.host, gai_strerror(failure)));
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  int error = 0;
  for (const addrinfo* one = list.get(); one != nullptr; one = one->ai_next) {
    error = Connect(*one, timeout);
    if (error == 0) return absl::OkStatus();
  }
  return absl::UnavailableError(
      fmt::format("connecting to {} failed: {}", address.ToString(), std::strerror(error)));
}

}  // namespace mansio::broker
