#ifndef MANSIO_BROKER_REPLICATION_SLAVE_H_
#define MANSIO_BROKER_REPLICATION_SLAVE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/records.h"
#include "broker/replication/wire.h"
#include "common/clock/clock.h"
#include "common/sync/sync.h"
#include "store/log/replicated_log.h"

namespace mansio::broker {

struct SlaveOptions {
  std::string cluster;
  std::string broker;  // the group's name
  BrokerId id = 1;
  absl::Duration heartbeat = absl::Seconds(1);  // something is said at least so often
  absl::Duration silence = absl::Seconds(5);    // the master is gone when it said nothing so long
};

// The slave's side of replication.proto: one stream at a time to its master. Says what it has, cuts
// what the master does not have, appends what comes, applies what is committed of it. No threads of
// its own: whoever runs it passes messages on and calls Tick. Thread-safe.
class Slave {
 public:
  // Borrowed; `log` is a slave's.
  Slave(SlaveOptions options, store::ReplicatedLog* log, const Clock* clock);
  ~Slave();

  // A stream to the master is open; says hello. The one before must be closed.
  void Opened(MasterStream* stream);
  // A message of the master. May truncate the log, which waits for the disk. Ends the stream for
  // what is out of place, and for frames that do not fit.
  void Received(const v1::MasterMessage& message);
  // The stream has ended; it is not used any more.
  void Closed();

  // Says what is new of the log, or that there is nothing new; ends a stream that has fallen
  // silent. Cheap. Each time the log has moved, and each heartbeat.
  void Tick();

 private:
  struct Shared;  // with the log thread's callbacks, which may come after the end

  void Welcomed(const v1::MasterWelcome& welcome);
  void Take(const v1::MasterFrames& frames);
  void SayHeld(absl::Duration now, bool anyway);
  void End(const absl::Status& why);

  const SlaveOptions options_;
  store::ReplicatedLog* const log_;
  const Clock* const clock_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_SLAVE_H_
