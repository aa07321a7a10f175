#include "common/net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <charconv>
#include <memory>
#include <optional>

#include "absl/strings/escaping.h"

namespace mansio::net {
namespace {

absl::Status BadAddress(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not an address: {}; write HOST:PORT, for example 127.0.0.1:8081, "
                  "[::1]:8081 or broker-1:8081",
                  absl::CHexEscape(std::string(text)), why));
}

// inet_pton stops at a NUL byte, whatever follows it.
bool HasNul(const std::string& host) { return host.find('\0') != std::string::npos; }

bool IsIPv4(const std::string& host) {
  in_addr address;
  return !HasNul(host) && inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool IsIPv6(const std::string& host) {
  in6_addr address;
  return !HasNul(host) && inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

bool IsDomainLabelCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool IsDomainName(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  bool all_numeric = true;  // such as 300.1.1.1: a mistyped IPv4 address, not a name
  size_t label = 0;
  for (const char c : host) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
      continue;
    }
    if (!IsDomainLabelCharacter(c) || ++label > 63) return false;
    all_numeric = all_numeric && c >= '0' && c <= '9';
  }
  return label > 0 && !all_numeric;
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port > 65535) {
    return std::nullopt;
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string HostPort::ToString() const {
  return kind == HostKind::kIPv6 ? fmt::format("[{}]:{}", host, port)
                                 : fmt::format("{}:{}", host, port);
}

bool HostPort::IsWildcard() const {
  if (kind == HostKind::kIPv4) return host == "0.0.0.0";
  in6_addr address;
  return kind == HostKind::kIPv6 && inet_pton(AF_INET6, host.c_str(), &address) == 1 &&
         IN6_IS_ADDR_UNSPECIFIED(&address);
}

bool HostPort::IsLoopback() const {
  if (kind == HostKind::kIPv4) return host.starts_with("127.");
  if (kind == HostKind::kDomainName) return host == "localhost";
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadAddress(text, "it has no port");
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port) return BadAddress(text, "its port is not a number from 0 to 65535");

  std::string host(text.substr(0, colon));
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (!IsIPv6(host)) return BadAddress(text, "the part in brackets is not an IPv6 address");
    return HostPort{std::move(host), *port, HostKind::kIPv6};
  }
  if (IsIPv4(host)) return HostPort{std::move(host), *port, HostKind::kIPv4};
  if (host.find(':') != std::string::npos) {
    return BadAddress(text, "an IPv6 address needs brackets");
  }
  if (!IsDomainName(host)) {
    return BadAddress(text, "its host is neither an IP address nor a DNS name");
  }
  return HostPort{std::move(host), *port, HostKind::kDomainName};
}

HostPort FirstNonLoopbackAddress() {
  HostPort best{"127.0.0.1", 0, HostKind::kIPv4};
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return best;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
  bool have_v6 = false;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0 ||
        (entry->ifa_flags & IFF_LOOPBACK) != 0) {
      continue;
    }
    char text[INET6_ADDRSTRLEN];
    if (entry->ifa_addr->sa_family == AF_INET) {
      const auto* v4 = reinterpret_cast<const sockaddr_in*>(entry->ifa_addr);
      inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
      if (std::string_view(text).starts_with("169.254.")) continue;  // link-local
      return HostPort{text, 0, HostKind::kIPv4};
    }
    if (entry->ifa_addr->sa_family == AF_INET6 && !have_v6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr);
      if (IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr)) continue;
      inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
      best = HostPort{text, 0, HostKind::kIPv6};
      have_v6 = true;
    }
  }
  return best;
}

HostPort DefaultAdvertised(const HostPort& listen) {
  if (!listen.IsWildcard()) return listen;
  HostPort advertised = FirstNonLoopbackAddress();
  advertised.port = listen.port;
  return advertised;
}

}  // namespace mansio::net
