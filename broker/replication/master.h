#ifndef MANSIO_BROKER_REPLICATION_MASTER_H_
#define MANSIO_BROKER_REPLICATION_MASTER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "broker/replication/group_election.h"
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
  // For a slave that is more than a window behind, so that the disk and the network have something
  // left for the others; 0: no limit.
  uint64_t catch_up_bytes_per_second = 0;
  // This broker's, which slaves are told; from any thread. Null: they are not told who the members
  // are.
  std::function<v1::BrokerIdentity()> identity = {};
  // Where the master is elected; borrowed. Null: roles are static.
  GroupElection* election = nullptr;
  StoreIds stores = {};  // of the in-sync set, as far as the election knows
  // Of the in-sync set, who was not there when this master was promoted: nobody waits for them.
  std::set<BrokerId> away = {};
};

// How the master sees a slave.
struct SlaveState {
  BrokerId id = 0;
  bool connected = false;  // and does not leave
  bool in_sync = false;
  bool copying = false;  // all of the log, and of no use until it has that
  store::LogOffset held = 0;
  store::LogOffset synced = 0;
  store::LogOffset applied = 0;
  v1::BrokerIdentity identity = {};  // as it said when it connected
  // For people; empty: nothing is wrong. A second process with its number is refused, or
  // `settings_differ` from the master's.
  std::string trouble = {};
  bool settings_differ = false;
};

// The master's side of replication.proto: finds where each slave's log joins its own, sends frames
// within a window, keeps the in-sync set, and tells the log what is committed (design section 9).
// With durability `async` and `sync` the log commits by itself, and there is no set; where the
// master is elected there is one, for which nobody waits: those who may be elected next. No threads
// of its own: whoever runs it passes messages on and calls Pump. Thread-safe.
class Master final : public SlaveStreams {
 public:
  // Borrowed; `log` is a master's. `in_sync`: as the log says at its end, or the election; empty
  // for a new log.
  Master(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
         std::set<BrokerId> in_sync);
  // Appends on their way may outlive it.
  ~Master() override;

  // SlaveStreams.
  Session Opened(std::shared_ptr<SlaveStream> stream) override;
  void Received(Session session, const v1::SlaveMessage& message) override;
  void Closed(Session session) override;

  // Sends what there is to send, moves `committed`, changes the in-sync set, ends streams that have
  // fallen silent. Reads files; one thread at a time. Each time the log has moved or a message
  // came, and after the time that it returns.
  absl::Duration Pump();

  // The election wants a slave's promise: asks for it, if the slave is there.
  void AskForPromise(BrokerId slave, const PromiseRequest& request);
  // The election has recorded these members.
  void InSyncRecorded(std::set<BrokerId> members);

  // OK, or Unavailable with the reason when too few in-sync members are connected for anything to
  // be committed: sends are refused then.
  absl::Status CheckSends() const;
  // Those that have been there since the start, and those of the in-sync set; by their numbers.
  std::vector<SlaveState> Slaves() const;
  // Empty with static roles and durability `async` or `sync`.
  std::set<BrokerId> InSync() const;

 private:
  class ChangeAppend;
  struct Shared;  // with appends, which may outlive the master
  struct Peer;

  using Lock = MutexLock;
  void Hello(Session session, const v1::SlaveHello& hello);
  // A number means one store: whether this one may come with it now. Notes who may not.
  absl::Status CheckStore(Session session, const v1::SlaveHello& hello);
  // Of members of the set that were not known before.
  void RecordStores();
  // The logs have nothing in common that both still hold.
  void StartOver(Session session, const v1::SlaveHello& hello, const store::LogHistory& own);
  // The welcome of a slave whose log goes on at `start`.
  void Welcome(Session session, const v1::SlaveHello& hello, v1::MasterWelcome welcome);
  // False: another stream of its number has come meanwhile.
  bool Begin(Session session, const v1::SlaveHello& hello, v1::MasterWelcome welcome);
  // The slave has more of this master's last reign than this master, and is in the set.
  bool LacksWhatIsHeldBy(const v1::SlaveHello& hello, store::LogOffset common) const;
  // Tells every slave who is in the group.
  void TellMembers();
  // Notes in what a slave is configured otherwise, and says so once.
  void CompareSettings(BrokerId slave, const v1::BrokerIdentity& identity);
  void Held(Session session, const v1::SlaveHeld& held);
  void Promised(Session session, const v1::Promise& promise);
  void Leaves(Session session);
  void End(Session session, const absl::Status& why);
  void LookAtSilence(absl::Duration now);
  // One run, if there is one and the slave may have it; lowers `again` to when it may have the
  // next.
  void SendRun(Session session, absl::Duration now, absl::Duration* again);
  void SayCommitted(absl::Duration now);
  void MeasureLag(absl::Duration now);
  // Whether a slave that is not in the set has come far enough. `all` of the log may have been
  // acknowledged without it; it was known to have everything `behind` ago.
  bool MayJoin(const Peer& peer, store::LogOffset all, absl::Duration behind) const;
  // Commits wait for those who are about to join, so that they come to have all that was committed.
  // Lowers `again` to when they have had their time.
  void AwaitJoining(absl::Duration now, absl::Duration* again);
  std::optional<std::set<BrokerId>> ChangeDue(absl::Duration now);
  // False: the change was refused.
  bool Record(const std::set<BrokerId>& members);
  void KeepSet(absl::Duration now, absl::Duration* again);
  // Ends the streams of slaves that leave and are not waited for, or have to be.
  void LetGo();

  const MasterOptions options_;
  const bool waits_for_set_;
  const bool keeps_set_;
  store::ReplicatedLog* const log_;
  const Clock* const clock_;
  const std::shared_ptr<Shared> shared_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_MASTER_H_
