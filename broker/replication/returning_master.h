#ifndef MANSIO_BROKER_REPLICATION_RETURNING_MASTER_H_
#define MANSIO_BROKER_REPLICATION_RETURNING_MASTER_H_

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/replication/records.h"
#include "broker/replication/wire.h"
#include "common/sync/sync.h"
#include "store/log/epoch_history.h"

namespace mansio::broker {

struct ReturningMasterOptions {
  std::string cluster;
  std::string broker;  // the group's name
  BrokerId id = 1;
  store::LogHistory log = {};  // its own, which does not move
  InSyncRecord in_sync = {};   // the last one in it
  size_t min_in_sync = 1;
  // As a slave's hello says. Null: it may lack what it has confirmed.
  std::function<bool()> is_whole = {};
};

// A member with the static role of a master that may have lost the end of what was acknowledged, as
// its machine went down while it ran: what it hears from its slaves before it begins its reign
// (design section 9). All that was acknowledged is known to be there once one member of the in-sync
// set has answered that has lost nothing and had the record of the set, or all others of the set
// have. One that lacks nothing of it itself, as its disk had it (`replica-sync`), hears only who
// holds more than it does: as a master it would refuse that one. Then the member that has most is
// to be the master, if so many have answered that a reign can begin. Nobody is welcomed, so that no
// log moves. Thread-safe.
class ReturningMaster final : public SlaveStreams {
 public:
  explicit ReturningMaster(ReturningMasterOptions options) : options_(std::move(options)) {}

  // SlaveStreams.
  Session Opened(std::shared_ptr<SlaveStream> stream) override;
  void Received(Session session, const v1::SlaveMessage& message) override;
  void Closed(Session session) override;

  // Ends the streams that have said nothing for ten seconds; each second or so. A slave ends its
  // own sooner, as it is not welcomed, and comes again. `now`: since boot.
  void EndSilent(absl::Duration now);

  struct Verdict {
    BrokerId master = 0;           // who is to be the master; 0: not known yet
    std::set<BrokerId> silent;     // of the set, who has said nothing
    std::set<BrokerId> parted;     // of those, whose log is another one
    v1::BrokerIdentity heir = {};  // the master, when that is another one
  };
  Verdict Decide() const;
  // Those whose streams are open.
  std::vector<v1::BrokerIdentity> Members() const;

 private:
  struct Peer {
    std::shared_ptr<SlaveStream> stream;
    BrokerId id = 0;  // 0: it has not said hello
    bool whole = false;
    store::LogHistory log = {};
    v1::BrokerIdentity identity = {};
    std::optional<absl::Duration> seen = {};  // by EndSilent, since it has said something
  };

  absl::StatusOr<Peer> Heard(const v1::SlaveMessage& message) const;

  const ReturningMasterOptions options_;
  mutable Mutex mutex_;
  Session last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<Session, Peer> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_RETURNING_MASTER_H_
