#ifndef MANSIO_BROKER_REPLICATION_MASTER_H_
#define MANSIO_BROKER_REPLICATION_MASTER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/in_sync_set.h"
#include "broker/replication/records.h"
#include "broker/replication/wire.h"
#include "common/clock/clock.h"
#include "common/sync/sync.h"
#include "store/log/replicated_log.h"
#include "store/options.h"

namespace mansio::broker {

struct MasterOptions {
  std::string cluster;
  std::string broker;  // the group's name
  BrokerId id = 0;
  store::Durability durability = store::Durability::kReplica;
  size_t min_in_sync = 1;                       // members, the master included
  absl::Duration max_lag = absl::Seconds(10);   // then a slave leaves the in-sync set
  absl::Duration heartbeat = absl::Seconds(1);  // something is said at least so often
  absl::Duration silence = absl::Seconds(5);    // a slave is gone when it said nothing so long
  size_t window_bytes = 8 << 20;                // sent to a slave and not yet held by it
  size_t run_bytes = 1 << 20;                   // frames in one message, about
};

// How the master sees a slave.
struct SlaveState {
  BrokerId id = 0;
  bool connected = false;
  bool in_sync = false;
  store::LogOffset held = 0;
  store::LogOffset synced = 0;
  store::LogOffset applied = 0;
};

// The master's side of replication.proto: finds where each slave's log joins its own, sends frames
// within a window, keeps the in-sync set, and tells the log what is committed (design section 9).
// With durability `async` and `sync` the log commits by itself, and there is no set. No threads of
// its own: whoever runs it passes messages on and calls Pump. Thread-safe.
class Master {
 public:
  using Session = uint64_t;

  // Borrowed; `log` is a master's. `in_sync`: as the log says at its end; empty for a new log.
  Master(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
         std::set<BrokerId> in_sync);
  // Appends on their way may outlive it.
  ~Master();

  // A slave has opened a stream.
  Session Opened(SlaveStream* stream);
  // A message of it. Ends the stream for what is out of place or cannot be served.
  void Received(Session session, const v1::SlaveMessage& message);
  // Its stream has ended; it is not used any more.
  void Closed(Session session);

  // Sends what there is to send, moves `committed`, changes the in-sync set, ends streams that have
  // fallen silent. Reads files; one thread at a time. Each time the log has moved or a message
  // came, and each heartbeat.
  void Pump();

  // OK, or Unavailable with the reason when too few in-sync members are connected for anything to
  // be committed: sends are refused then.
  absl::Status CheckSends() const;
  std::vector<SlaveState> Slaves() const;
  // Empty with durability `async` and `sync`.
  std::set<BrokerId> InSync() const;

 private:
  class ChangeAppend;
  struct Shared;  // with appends, which may outlive the master
  struct Peer;

  using Lock = MutexLock;
  void Hello(Session session, const v1::SlaveHello& hello);
  absl::Status CheckHello(const v1::SlaveHello& hello) const;
  // The slave has more of this master's last reign than this master, and is in the set.
  bool LacksWhatIsHeldBy(const v1::SlaveHello& hello, store::LogOffset common) const;
  void Held(Session session, const v1::SlaveHeld& held);
  void End(Session session, const absl::Status& why);
  void LookAtSilence(absl::Duration now);
  bool SendRun(Session session);
  void SayCommitted(absl::Duration now);
  void MeasureLag(absl::Duration now);
  std::optional<std::set<BrokerId>> ChangeDue(absl::Duration now);
  void KeepSet(absl::Duration now);

  const MasterOptions options_;
  const bool keeps_set_;
  store::ReplicatedLog* const log_;
  const Clock* const clock_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_MASTER_H_
