#include "broker/metrics/member_metrics.h"

#include <string>

namespace mansio::broker {
namespace {

using metrics::Metric;
using metrics::Type;

constexpr Metric kIsMaster{"mansio_broker_is_master",
                           "1 while the broker is the master of its group and may store messages, "
                           "else 0; 1 for one that is alone."};
constexpr Metric kGroupEpoch{"mansio_broker_epoch",
                             "The last reign of a master of its group that the broker knows of."};
constexpr Metric kInSync{
    "mansio_broker_in_sync",
    "1 while the broker is in the in-sync set as far as it knows, else 0; only "
    "where the group has such a set."};
constexpr Metric kInSyncMembers{"mansio_group_in_sync_members",
                                "Members in the in-sync set, the master included; of a master."};
constexpr Metric kMinInSync{"mansio_group_min_in_sync",
                            "With fewer of them sends are refused (replication.min-in-sync); of a "
                            "master with durability replica or replica-sync."};
constexpr Metric kSlaveConnected{"mansio_slave_connected",
                                 "1 while the slave of that number copies the log, else 0; of a "
                                 "master, for all slaves that it has seen or that were in sync."};
constexpr Metric kSlaveInSync{"mansio_slave_in_sync",
                              "1 while the slave is in the in-sync set, else 0."};
constexpr Metric kSlaveLag{"mansio_slave_lag_bytes",
                           "Log that the master has and the slave has not; only while it is "
                           "connected."};
constexpr Metric kSlaveUnsynced{"mansio_slave_unsynced_bytes",
                                "Log that the master has and the slave has not flushed; likewise."};
constexpr Metric kSlaveCopying{"mansio_slave_copying",
                               "1 while the slave is new and does not have all of the log yet, "
                               "else 0; likewise."};
constexpr Metric kElectionTrouble{"mansio_election_trouble",
                                  "1 while nobody can be elected or the master may store nothing, "
                                  "as far as the broker knows, else 0; its log and `mansio broker "
                                  "list` say why."};
constexpr Metric kElectionsWon{"mansio_elections_won_total",
                               "Elections that made the broker the master, since the start.",
                               Type::kCounter};
constexpr Metric kLeaseLeft{"mansio_master_lease_seconds",
                            "For how long the master may go on if neither etcd nor its slaves "
                            "confirm it any more; 0 for a slave."};

double Truth(bool value) { return value ? 1 : 0; }

double Missing(store::LogOffset end, store::LogOffset has) {
  return end > has ? static_cast<double>(end - has) : 0;
}

void AddSlave(const MemberView& view, const SlaveState& slave, metrics::Exposition& page) {
  const metrics::Labels labels = {{"slave", std::to_string(slave.id)}};
  page.Add(kSlaveConnected, labels, Truth(slave.connected));
  if (view.in_sync.has_value()) page.Add(kSlaveInSync, labels, Truth(slave.in_sync));
  if (!slave.connected) return;
  page.Add(kSlaveLag, labels, Missing(view.log_end, slave.held));
  page.Add(kSlaveUnsynced, labels, Missing(view.log_end, slave.synced));
  page.Add(kSlaveCopying, labels, Truth(slave.copying));
}

}  // namespace

void AddMember(const MemberView& view, metrics::Exposition& page) {
  page.Add(kIsMaster, Truth(view.is_master));
  page.Add(kGroupEpoch, static_cast<double>(view.epoch));
  if (view.in_sync.has_value()) page.Add(kInSync, Truth(*view.in_sync));
  if (view.in_sync_members.has_value()) {
    page.Add(kInSyncMembers, static_cast<double>(*view.in_sync_members));
  }
  if (view.min_in_sync.has_value()) page.Add(kMinInSync, static_cast<double>(*view.min_in_sync));
  for (const SlaveState& slave : view.slaves) AddSlave(view, slave, page);
  if (!view.election.has_value()) return;
  page.Add(kElectionTrouble, Truth(view.election->has_trouble));
  page.Add(kElectionsWon, static_cast<double>(view.election->won));
  page.Add(kLeaseLeft, absl::ToDoubleSeconds(view.election->acknowledges));
}

}  // namespace mansio::broker
