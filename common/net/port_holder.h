#ifndef MANSIO_COMMON_NET_PORT_HOLDER_H_
#define MANSIO_COMMON_NET_PORT_HOLDER_H_

#include <cstdint>
#include <string>

namespace mansio::net {

// The process that listens on TCP port `port` of this machine, for example
// "process 4711 (mansio-broker --config broker.yaml)". Read from /proc; "" where that does not tell
// (another user's process, another network namespace).
std::string DescribePortHolder(uint16_t port);

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_PORT_HOLDER_H_
