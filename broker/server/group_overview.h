#ifndef MANSIO_BROKER_SERVER_GROUP_OVERVIEW_H_
#define MANSIO_BROKER_SERVER_GROUP_OVERVIEW_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broker/metrics/member_metrics.h"
#include "broker/replication/in_sync_feature.h"
#include "broker/replication/master.h"
#include "broker/server/broker_config.h"
#include "broker/server/elected_role.h"
#include "broker/server/returning_service.h"
#include "broker/server/static_run.h"
#include "common/gateway/directory.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// Store::Health for people; empty where nothing is wrong, also while the store is opened again.
std::string FailureOf(const absl::Status& health);

// What this broker tells others of itself as a member of its group and, as the master, of its
// slaves. Thread-safe.
class GroupOverview {
 public:
  // All borrowed.
  struct Sources {
    const BrokerConfig* config = nullptr;
    const InSyncFeature* in_sync = nullptr;
    const store::Store* store = nullptr;
    const store::ReplicatedLog* log = nullptr;  // null: not in a group
    const Master* master = nullptr;             // null: not a group's master
    const ElectedRole* elected = nullptr;       // null: roles are static
    std::function<bool()> following = nullptr;  // of a slave: its master's frames come
    const StaticRun* run = nullptr;             // as Broker::Environment
    // Of one that is to be the master and asks the others first; else null.
    const ReturningService* returning = nullptr;
  };
  explicit GroupOverview(const Sources& sources) : from_(sources) {}

  // What it is in its group.
  void CompleteIdentity(v1::BrokerIdentity* identity) const;
  // The answer of ListBrokers, which has this broker in it: how far it has come, and a master's
  // slaves.
  void CompleteList(v1::ListBrokersResponse* response) const;
  // The same for metrics. `takes_calls`: HandOver::reigns.
  MemberView View(bool takes_calls) const;
  // Where the slaves that are connected to this master are reached, ordered by their numbers.
  std::vector<gateway::HostPort> SlaveAddresses() const;

 private:
  bool is_slave() const { return from_.config->store.role == store::Role::kSlave; }
  // Whether the group has a set of members that are in sync.
  bool has_set() const;
  v1::BrokerOverview OverviewOf(const SlaveState& slave) const;
  // A master's; empty: it takes sends.
  std::string WhySendsAreRefused() const;
  // Why this broker does not do its part.
  void AddTrouble(v1::BrokerOverview* self) const;
  // Why this member of a group that elects its master cannot do its part, for people; or empty.
  std::string TroubleOf(const ElectionState& state) const;

  const Sources from_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_GROUP_OVERVIEW_H_
