#ifndef MANSIO_BROKER_SERVER_BROKER_H_
#define MANSIO_BROKER_SERVER_BROKER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/server/broker_config.h"
#include "common/rpc/server.h"

namespace mansio {
class Clock;
class FileSystem;
namespace metrics {
class Monitor;
}
}  // namespace mansio

namespace mansio::broker {

class ElectedRole;
class KeptRole;
class ProcessConfig;
class StaticRun;

// A running broker: its store, its features and services, and the port they are served on.
// Thread-safe.
class Broker {
 public:
  struct Environment {
    FileSystem* files = nullptr;  // borrowed, as the clock
    const Clock* clock = nullptr;
    std::string version;
    // Called on any thread when the broker must be stopped and started again: what its master does
    // not have is then cut out of its log, or it has another role. Must not wait for that.
    std::function<void()> reopen = [] {};
    // What `config` was made from by giving the broker a role; borrowed.
    ProcessConfig* process = nullptr;
    // Shows what the broker is and does while it runs. Borrowed; may be null.
    metrics::Monitor* monitor = nullptr;
    // Whether the process is to end: Start, which may take long, then ends with Cancelled.
    std::function<bool()> give_up = [] { return false; };
    // Borrowed; null where no command can change what the configuration says.
    KeptRole* roles = nullptr;
    // Where the group elects its master: `config` is its NextOpening. Borrowed; null: roles are
    // static.
    ElectedRole* elected = nullptr;
    // Where roles are static: `config` is its Opening. Borrowed; null: as where nothing is lost.
    StaticRun* run = nullptr;
  };

  // Recovers the store, then serves. The error is one sentence for the user: a second broker on the
  // directory, damage, a taken port, an unusable certificate. Cancelled: it was given up.
  // `port`: of a broker with the same configuration that was left; null: opens it.
  static absl::StatusOr<std::unique_ptr<Broker>> Start(const BrokerConfig& config,
                                                       Environment environment,
                                                       std::unique_ptr<rpc::Server> port = nullptr);
  ~Broker();

  // Where it listens and what routes contain, HOST:PORT.
  std::string Address() const;
  std::string Advertised() const;
  // A slave that does not follow a master now.
  bool WaitsForMaster() const;
  // OK, or why nothing can be stored any more; the broker goes on answering.
  absl::Status Health() const;

  // Ends in order: leaves the nameservers, answers parked receives, finishes what was accepted,
  // closes the store. Idempotent.
  void Stop();
  // Before Stop: a master gives the group to another member, where members elect it; a slave tells
  // its master that it ends. Waits for that, for some seconds at most.
  void StepAside();
  // As Stop, but its port stays open for the next one: calls wait for that, for a few seconds at
  // most. Null when the port could not be kept.
  std::unique_ptr<rpc::Server> Leave();

 private:
  class Parts;
  explicit Broker(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_BROKER_H_
