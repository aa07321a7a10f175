#ifndef MANSIO_COMMON_CONFIG_HOST_PORT_H_
#define MANSIO_COMMON_CONFIG_HOST_PORT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace mansio {

// An address as users write it: "broker-1:8081", "10.0.0.1:8081", "[::1]:8081".
struct HostPort {
  std::string host;  // without brackets; empty when no address is configured
  uint16_t port = 0;

  bool empty() const { return host.empty(); }
  std::string ToString() const;  // with brackets around an IPv6 host; "" when empty
  bool operator==(const HostPort&) const = default;
};

// Parses HOST:PORT with a port from 0 to 65535 (0: any free port, where a server listens). Hosts
// are not looked up. InvalidArgument with a sentence otherwise. Pure, thread safe.
absl::StatusOr<HostPort> ParseHostPort(std::string_view text);

}  // namespace mansio

#endif  // MANSIO_COMMON_CONFIG_HOST_PORT_H_
