#include "common/access/network_list.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

namespace mansio::access {
namespace {

using Address = std::array<uint8_t, 16>;
constexpr int kBits = 128;
constexpr int kMappedBits = 96;  // of ::ffff:0:0, in front of an IPv4 address

Address Mapped(const void* ipv4) {
  Address address{};
  address[10] = address[11] = 0xff;
  std::memcpy(address.data() + 12, ipv4, 4);
  return address;
}

struct ParsedAddress {
  Address address;
  bool is_ipv4 = false;
};

std::optional<ParsedAddress> ParseAddress(std::string_view text) {
  const std::string owned(text);
  in_addr v4{};
  if (inet_pton(AF_INET, owned.c_str(), &v4) == 1) return ParsedAddress{Mapped(&v4), true};
  in6_addr v6{};
  if (inet_pton(AF_INET6, owned.c_str(), &v6) != 1) return std::nullopt;
  ParsedAddress parsed;
  std::memcpy(parsed.address.data(), &v6, sizeof(v6));
  return parsed;
}

// The address of `IP:PORT` or `[IP]:PORT`.
std::optional<Address> AddressOfPeer(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = peer.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  host = host.substr(0, host.find('%'));  // the zone of a link-local address
  const auto parsed = ParseAddress(host);
  if (!parsed) return std::nullopt;
  return parsed->address;
}

bool SamePrefix(const Address& a, const Address& b, int bits) {
  const auto bytes = static_cast<size_t>(bits / 8);
  if (!std::equal(a.begin(), a.begin() + static_cast<ptrdiff_t>(bytes), b.begin())) return false;
  const int rest = bits % 8;
  return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

absl::Status NoNetwork(std::string_view entry) {
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not an IP address or network such as 10.0.0.0/8 or fd00::/8", entry));
}

}  // namespace

absl::StatusOr<NetworkList> NetworkList::Parse(std::string_view text) {
  NetworkList list;
  while (!Trimmed(text).empty()) {
    const size_t comma = text.find(',');
    const std::string_view entry = Trimmed(text.substr(0, comma));
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
    const size_t slash = entry.find('/');
    const auto address = ParseAddress(entry.substr(0, slash));
    if (!address) return NoNetwork(entry);
    const int longest = address->is_ipv4 ? kBits - kMappedBits : kBits;
    int bits = longest;
    if (slash != std::string_view::npos) {
      const std::string_view digits = entry.substr(slash + 1);
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
      if (error != std::errc() || end != digits.data() + digits.size() || bits < 0 ||
          bits > longest) {
        return NoNetwork(entry);
      }
    }
    list.networks_.push_back({address->address, bits + kBits - longest});
  }
  return list;
}

bool NetworkList::Contains(std::string_view peer) const {
  const auto address = AddressOfPeer(peer);
  if (!address) return false;
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return SamePrefix(network.address, *address, network.bits);
  });
}

bool IsThisMachine(std::string_view peer) {
  static const auto* const loopback = new NetworkList(*NetworkList::Parse("127.0.0.0/8, ::1"));
  if (loopback->Contains(peer)) return true;
  const auto address = AddressOfPeer(peer);
  if (!address) return false;
  ifaddrs* interfaces = nullptr;
  if (getifaddrs(&interfaces) != 0) return false;
  bool found = false;
  for (const ifaddrs* i = interfaces; i != nullptr && !found; i = i->ifa_next) {
    if (i->ifa_addr == nullptr) continue;
    if (i->ifa_addr->sa_family == AF_INET) {
      found = Mapped(&reinterpret_cast<const sockaddr_in*>(i->ifa_addr)->sin_addr) == *address;
    } else if (i->ifa_addr->sa_family == AF_INET6) {
      const auto* v6 = reinterpret_cast<const sockaddr_in6*>(i->ifa_addr);
      found = std::memcmp(&v6->sin6_addr, address->data(), address->size()) == 0;
    }
  }
  freeifaddrs(interfaces);
  return found;
}

}  // namespace mansio::access
