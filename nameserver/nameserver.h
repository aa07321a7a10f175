#ifndef MANSIO_NAMESERVER_NAMESERVER_H_
#define MANSIO_NAMESERVER_NAMESERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nameserver/nameserver_config.h"

namespace mansio {
class Clock;
}

namespace mansio::nameserver {

class RoutingTable;

// A whole nameserver: the routing table, the registration streams that fill it, and what it serves
// to clients (the access point of common/gateway) and to the `mansio` command. Thread-safe.
class Nameserver {
 public:
  // Serves when this returns. The error names the address that cannot be listened on, or the
  // certificate that cannot be used. `clock` is borrowed.
  static absl::StatusOr<std::unique_ptr<Nameserver>> Start(const NameserverConfig& config,
                                                           const Clock* clock);

  // Shuts down without grace.
  ~Nameserver();

  // The bound address, HOST:PORT with the real port, and the one it is known by.
  std::string Address() const;
  std::string Advertised() const;
  bool SelfSigned() const;
  const RoutingTable& table() const;

  // Stops accepting, gives running calls `grace` to end, joins all threads. Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  class Impl;
  explicit Nameserver(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_NAMESERVER_H_
