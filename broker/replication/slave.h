#ifndef MANSIO_BROKER_REPLICATION_SLAVE_H_
#define MANSIO_BROKER_REPLICATION_SLAVE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/group_election.h"
#include "broker/replication/records.h"
#include "broker/replication/wire.h"
#include "common/clock/clock.h"
#include "common/sync/sync.h"
#include "store/log/replicated_log.h"
#include "store/options.h"

namespace mansio::broker {

struct SlaveOptions {
  std::string cluster;
  std::string broker;  // the group's name
  BrokerId id = 1;
  StoreId store = {};                                 // told to the master, as the next
  std::string process = {};                           // another one for each process
  std::function<v1::BrokerIdentity()> identity = {};  // told to the master; null: nothing is
  store::Durability durability = store::Durability::kReplica;  // of the group
  absl::Duration heartbeat = absl::Seconds(1);  // something is said at least so often
  absl::Duration silence = absl::Seconds(5);    // the master is gone when it said nothing so long
  // Where the master is elected; borrowed, must outlive the log. Null: roles are static.
  GroupElection* election = nullptr;
  // Where roles are static. Whether it has all that it has said it holds, and that it has that
  // again, from its master; the latter on the log's thread, and after the end. Null: not known.
  std::function<bool()> is_whole = {};
  std::function<void()> holds_all = {};
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
  void Received(v1::MasterMessage message);
  // The stream has ended; it is not used any more.
  void Closed();

  // Says what is new of the log, or that there is nothing new; ends a stream that has fallen
  // silent. Cheap, but for the end of a copy, which waits for the disk. Each time the log has
  // moved, and each heartbeat.
  void Tick();

  // Tells the master that this slave is about to end. False: it follows none. The master ends the
  // stream when nobody waits for this slave any more, or when it cannot help it.
  bool SayGoodbye();

  // It follows the master of the stream: their logs fit.
  bool welcomed() const;
  // What must be cut of the log was applied, or all of it is to be replaced, or that is done: the
  // log has stopped, and goes on when it is opened again (ReplicatedLog::TruncateTo, StartOver,
  // EndCopy).
  bool must_reopen() const;

  // Once, since this was made, it had applied all that its master had committed, in that one's own
  // reign: so it knows all that was acknowledged before.
  bool HasFollowed() const;
  // The members of the group, as a master has last told; empty before.
  std::vector<v1::BrokerIdentity> Members() const;

 private:
  struct Shared;  // with the log thread's callbacks, which may come after the end

  void Welcomed(const v1::MasterWelcome& welcome);
  // The log is to be replaced by the master's.
  void Replace(const v1::MasterWelcome& welcome, std::optional<store::LogOffset> common);
  // Ends the stream for what has stopped the log.
  void Stopped(const absl::Status& why);
  void Take(v1::MasterFrames frames);
  void AnswerPromise(const v1::PromiseRequest& asked);
  // Ends the stream of a master that another one has followed; says whether it did.
  bool Refuses(store::Epoch reign);
  void SayHeld(absl::Duration now, bool anyway);
  void End(const absl::Status& why);

  const SlaveOptions options_;
  const std::function<void()> holds_all_;  // may be null
  store::ReplicatedLog* const log_;
  const Clock* const clock_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_SLAVE_H_
