#ifndef MANSIO_COMMON_NET_LISTENER_H_
#define MANSIO_COMMON_NET_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mansio::net {

struct ListenerOptions {
  std::string listen;  // HOST:PORT; port 0 picks a free one
  int max_connections = 10000;
  absl::Duration silent_connection = absl::Seconds(10);
  // A peer that sends this much while we send nothing at all is cut off: it floods us with what
  // needs no permission (HTTP/2 header frames), which gRPC 1.51 keeps in memory without a bound.
  // Any other traffic makes us send something long before, if only window updates.
  uint64_t max_unanswered_bytes = 64 * 1024 * 1024;
  // How often that is looked for; less often with thousands of connections.
  absl::Duration check_interval = absl::Milliseconds(200);
};

enum class Protocol { kPlaintext, kTls };

// Accepts the connections of one TCP port that speaks HTTP/2 both in plaintext and in TLS: the
// first bytes tell which (design section 2). They are peeked, not taken, by one
// thread of its own that no connection can block. Refused, each with at most one log line in ten
// seconds: a connection beyond the limit, one that says nothing for `silent_connection`, and one
// that speaks anything else; an HTTP/1 client is told so with a short 400 response.
class Listener {
 public:
  // Takes over `fd`, non-blocking, close-on-exec and with TCP_NODELAY. Called on the listener's
  // thread, must not block for long.
  using Handler = std::function<void(int fd, Protocol protocol)>;

  // Binds and listens. The error names the address and, for a taken port, the process that holds it
  // if that can be found out. SO_REUSEPORT is not set, so that a second process cannot share the
  // port.
  static absl::StatusOr<std::unique_ptr<Listener>> Bind(ListenerOptions options);

  // Stops first.
  virtual ~Listener() = default;
  // Starts to accept. Once.
  virtual void Start(Handler handler) = 0;
  // Closes the port and the connections that have not been handed over, and ends the thread.
  // Idempotent.
  virtual void Stop() = 0;
  // HOST:PORT with the real port.
  virtual std::string Address() const = 0;
  // Connections that are open, those included that have said nothing yet. Thread-safe; may count
  // connections that were closed in the last second.
  virtual int64_t OpenConnections() const = 0;
};

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_LISTENER_H_
