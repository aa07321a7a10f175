#ifndef MANSIO_COMMON_NET_ADDRESS_H_
#define MANSIO_COMMON_NET_ADDRESS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mansio::net {

// How a host is written; the numbers are those of the public AddressScheme.
enum class HostKind { kIPv4 = 1, kIPv6 = 2, kDomainName = 3 };

// A network address as users write it. A plain value.
struct HostPort {
  std::string host;  // IPv6 without brackets
  uint16_t port = 0;
  HostKind kind = HostKind::kIPv4;

  // `1.2.3.4:80`, `[::1]:80`, `name:80`; ParseHostPort reads it back.
  std::string ToString() const;
  // True for the addresses that mean "every interface": 0.0.0.0 and ::.
  bool IsWildcard() const;
  // True for 127.0.0.0/8, ::1 and the name localhost.
  bool IsLoopback() const;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Reads HOST:PORT, where HOST is an IPv4 address, an IPv6 address in brackets, or a DNS name (RFC
// 1123, underscores allowed) and PORT is 0 to 65535. InvalidArgument names the text and what is
// wrong with it.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

// The machine's first address that is up, not loopback and not link-local, IPv4 before IPv6,
// without a port; 127.0.0.1 on a machine that has none. Asks the system at each call.
HostPort FirstNonLoopbackAddress();

// What others can reach `listen` by: itself, or for a wildcard the first non-loopback address with
// its port.
HostPort DefaultAdvertised(const HostPort& listen);

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_ADDRESS_H_
