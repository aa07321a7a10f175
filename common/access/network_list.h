#ifndef MANSIO_COMMON_ACCESS_NETWORK_LIST_H_
#define MANSIO_COMMON_ACCESS_NETWORK_LIST_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mansio::access {

// IP addresses and networks as a user writes them: "10.0.0.0/8, 192.168.1.7, fd00::/8". A value.
class NetworkList {
 public:
  // Reads a list that is separated by commas; an empty text gives an empty list. InvalidArgument
  // names the entry and what is wrong with it.
  static absl::StatusOr<NetworkList> Parse(std::string_view text);

  // Whether the peer of a connection, `IP:PORT` or `[IP]:PORT`, is in one of the networks. An IPv4
  // address that comes as IPv6 (::ffff:1.2.3.4) counts as what it is. False for text that is none.
  bool Contains(std::string_view peer) const;
  bool empty() const { return networks_.empty(); }

 private:
  // IPv4 as ::ffff:0:0/96.
  struct Network {
    std::array<uint8_t, 16> address{};
    int bits = 0;
  };
  std::vector<Network> networks_;
};

// Whether the peer, as above, is this machine: a loopback address, or one that the machine has
// itself, as when a process is reached by its public address from beside it. Asks the system.
bool IsThisMachine(std::string_view peer);

}  // namespace mansio::access

#endif  // MANSIO_COMMON_ACCESS_NETWORK_LIST_H_
