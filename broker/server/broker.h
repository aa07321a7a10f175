#ifndef MANSIO_BROKER_SERVER_BROKER_H_
#define MANSIO_BROKER_SERVER_BROKER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/server/broker_config.h"

namespace mansio {
class Clock;
class FileSystem;
}  // namespace mansio

namespace mansio::broker {

// A running broker: its store, its features and services, and the port they are served on.
// Thread-safe.
class Broker {
 public:
  struct Environment {
    FileSystem* files = nullptr;  // borrowed, as the clock
    const Clock* clock = nullptr;
    std::string version;
  };

  // Recovers the store, then serves. The error is one sentence for the user: a second broker on the
  // directory, damage, a taken port, an unusable certificate.
  static absl::StatusOr<std::unique_ptr<Broker>> Start(const BrokerConfig& config,
                                                       Environment environment);
  ~Broker();

  // Where it listens and what routes contain, HOST:PORT.
  std::string Address() const;
  std::string Advertised() const;
  // OK, or why nothing can be stored any more; the broker goes on answering.
  absl::Status Health() const;

  // Ends in order: leaves the nameservers, answers parked receives, finishes what was accepted,
  // closes the store. Idempotent.
  void Stop();

 private:
  class Parts;
  explicit Broker(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_BROKER_H_
