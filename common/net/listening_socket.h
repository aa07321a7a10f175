#ifndef MANSIO_COMMON_NET_LISTENING_SOCKET_H_
#define MANSIO_COMMON_NET_LISTENING_SOCKET_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/net/address.h"

namespace mansio::net {

struct ListeningSocket {
  int fd = -1;       // non-blocking, close-on-exec; the caller's
  HostPort address;  // with the real port
};

// Binds HOST:PORT (port 0: a free one) and listens. The error names the address and, for a taken
// port, the process that holds it if that can be found out. SO_REUSEPORT is not set, so that a
// second process cannot share the port. Thread-safe.
absl::StatusOr<ListeningSocket> ListenOn(const std::string& listen);

// "cannot listen on ADDRESS: WHY".
absl::Status CannotListen(const std::string& listen, std::string_view why);

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_LISTENING_SOCKET_H_
