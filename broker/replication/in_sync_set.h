#ifndef MANSIO_BROKER_REPLICATION_IN_SYNC_SET_H_
#define MANSIO_BROKER_REPLICATION_IN_SYNC_SET_H_

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "broker/replication/records.h"
#include "store/types.h"

namespace mansio::broker {

// What one member has of the log.
struct HeldLog {
  store::LogOffset held = 0;
  store::LogOffset synced = 0;
};

// Which members the master waits for, and how far they all have come (design section 9): what is
// committed is held, or synced, by every one of them. A change is a record in the log; it counts
// when all members of the new set have it and it is durable at the master, and until then the old
// and the new members are waited for. So a member that has gone is waited for until the log says
// without it, and every member that the log names holds all that was acknowledged. Where the master
// is elected, a change is a record in etcd instead, and counts when that is made. Not thread-safe.
class InSyncSet {
 public:
  // `members` as the log says at its end; `self` is always one of them. `synced`: committed means
  // synced, not just held. Fewer than `minimum` members commit nothing.
  InSyncSet(BrokerId self, std::set<BrokerId> members, size_t minimum, bool synced);

  // What a member has now; a slave that is not connected has nothing that counts.
  void SetHeld(BrokerId member, const HeldLog& held);
  void Forget(BrokerId member) {
    held_.erase(member);
    awaited_.erase(member);
  }
  // From now on what is committed is what these have, too, although they do not count: who is not
  // in the set, and lacks little.
  void Await(std::set<BrokerId> joining) { awaited_ = std::move(joining); }

  // A record with the new set is about to be appended; Placed says where it begins, Withdraw that
  // it was refused. Only when none is on its way. One that was placed may be overtaken by another
  // (whoever was to join has gone): until that has become true, all of them are waited for, as the
  // log may end behind any of these records.
  void Propose(std::set<BrokerId> members);
  void Placed(store::LogOffset record);
  void Withdraw();

  // Takes a change over that has become true; says whether it did.
  bool Settle();
  // etcd has these members now: what was proposed last, or before.
  void Recorded(std::set<BrokerId> members);

  // Whether what is committed is what this member has, too.
  bool WaitsFor(BrokerId member) const;
  // What a member has of the log that counts for commits.
  store::LogOffset Counted(BrokerId member) const;
  // Up to here the log is committed.
  store::LogOffset Committed() const;

  const std::set<BrokerId>& members() const { return members_; }
  // The members when all changes have become true.
  const std::set<BrokerId>& coming() const {
    return changes_.empty() ? members_ : changes_.back().members;
  }
  bool on_its_way() const { return !changes_.empty() && !changes_.back().record.has_value(); }

 private:
  struct Change {
    std::set<BrokerId> members;
    std::optional<store::LogOffset> record;  // once it has its place
  };

  HeldLog HeldBy(BrokerId member) const;
  // What all of them have.
  store::LogOffset Least(const std::set<BrokerId>& members) const;

  const BrokerId self_;
  const size_t minimum_;
  const bool synced_;
  std::set<BrokerId> members_;
  std::set<BrokerId> awaited_;
  std::vector<Change> changes_;  // in the order of the log
  std::map<BrokerId, HeldLog> held_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_IN_SYNC_SET_H_
