#ifndef MANSIO_COMMON_GATEWAY_ADDRESS_TEXT_H_
#define MANSIO_COMMON_GATEWAY_ADDRESS_TEXT_H_

#include <fmt/format.h>

#include <string>

#include "common/gateway/directory.h"

namespace mansio::gateway {

// "10.0.0.1:8081", "[::1]:8081": as connections are made to it. Pure, thread-safe.
inline std::string AddressText(const HostPort& at) {
  const bool is_v6 = at.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", at.host, at.port) : fmt::format("{}:{}", at.host, at.port);
}

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ADDRESS_TEXT_H_
