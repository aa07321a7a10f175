#include "broker/server/group_overview.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace mansio::broker {

std::string FailureOf(const absl::Status& health) {
  return absl::IsFailedPrecondition(health) ? "" : std::string(health.message());
}

void GroupOverview::CompleteIdentity(v1::BrokerIdentity* identity) const {
  const BrokerConfig& config = *from_.config;
  identity->set_id(is_slave() ? config.id : 0);
  identity->set_member(config.id);
  identity->set_role(std::string(RoleName(config.store.role)));
  identity->set_durability(std::string(DurabilityName(config.store.durability)));
  identity->set_epoch(static_cast<int64_t>(from_.store->epoch()));
  if (is_slave()) identity->set_store_failure(FailureOf(from_.store->Health()));
  if (config.id == 0) return;
  const bool is_elected = from_.elected != nullptr;
  if (is_elected || store::WaitsForInSyncSet(config.store.durability))
    identity->set_min_in_sync(config.min_in_sync);
  if (is_elected) identity->set_election_lease_ms(absl::ToInt64Milliseconds(config.lease));
}

bool GroupOverview::has_set() const {
  return from_.config->id != 0 &&
         (from_.elected != nullptr || store::WaitsForInSyncSet(from_.config->store.durability));
}

void GroupOverview::CompleteList(v1::ListBrokersResponse* response) const {
  v1::BrokerOverview& self = *response->mutable_brokers(0);
  self.mutable_broker()->set_epoch(static_cast<int64_t>(from_.store->epoch()));
  // What a slave says of itself is as of the last change that is committed here.
  if (has_set()) {
    self.set_in_sync(!is_slave() || from_.in_sync->members().contains(from_.config->id));
  }
  self.set_copying(from_.log != nullptr && from_.log->IsCopying());
  self.set_may_lack(from_.run != nullptr && !from_.run->is_whole());
  AddTrouble(&self);
  if (from_.master == nullptr) return;
  for (const SlaveState& slave : from_.master->Slaves()) {
    v1::BrokerOverview overview = OverviewOf(slave);
    if (has_set()) overview.set_in_sync(slave.in_sync);
    *response->add_brokers() = std::move(overview);
  }
}

void GroupOverview::AddTrouble(v1::BrokerOverview* self) const {
  if (from_.returning != nullptr) {
    self->set_returning(true);
    self->set_trouble(from_.returning->trouble());
  }
  if (from_.elected != nullptr) {
    const ElectionState state = from_.elected->State();
    self->set_in_sync(state.in_sync.contains(from_.config->id));
    self->set_trouble(TroubleOf(state));
    if (state.has_another_store) self->set_trouble_kind(v1::TROUBLE_KIND_NUMBER_TAKEN);
  } else if (from_.master != nullptr) {
    self->set_trouble(WhySendsAreRefused());
  }
  const std::string failure = FailureOf(from_.store->Health());
  if (failure.empty()) return;
  self->set_trouble(failure);
  self->set_trouble_kind(v1::TROUBLE_KIND_STORE_FAILED);
}

std::string GroupOverview::WhySendsAreRefused() const {
  return std::string(from_.master->CheckSends().message());
}

std::string GroupOverview::TroubleOf(const ElectionState& state) const {
  if (!state.trouble.empty()) return state.trouble;
  if (!is_slave()) return WhySendsAreRefused();
  if (from_.following == nullptr || from_.following()) return "";
  if (!state.master.has_value()) return "the group has no master, and is about to elect one";
  return fmt::format(
      "the master, member {} at {}, is not reached; if it has gone, another member is elected some "
      "seconds after that",
      state.master->id, state.master->address);
}

v1::BrokerOverview GroupOverview::OverviewOf(const SlaveState& slave) const {
  v1::BrokerOverview overview;
  v1::BrokerIdentity& identity = *overview.mutable_broker();
  identity = slave.identity;
  identity.set_cluster(from_.config->cluster);
  identity.set_name(from_.config->name);
  identity.set_id(slave.id);
  identity.set_member(slave.id);
  identity.set_role(std::string(RoleName(store::Role::kSlave)));
  overview.set_online(slave.connected);
  overview.set_trouble(slave.trouble);
  const std::string failure = std::exchange(*identity.mutable_store_failure(), "");
  if (!slave.trouble.empty()) {
    overview.set_trouble_kind(slave.settings_differ ? v1::TROUBLE_KIND_SETTINGS_DIFFER
                                                    : v1::TROUBLE_KIND_NUMBER_TAKEN);
  } else if (!failure.empty()) {
    overview.set_trouble(failure);
    overview.set_trouble_kind(v1::TROUBLE_KIND_STORE_FAILED);
  }
  if (!slave.connected) return overview;
  identity.set_epoch(static_cast<int64_t>(from_.store->epoch()));  // else it was not connected
  overview.set_copying(slave.copying);
  overview.set_log_end(static_cast<int64_t>(slave.held));
  overview.set_committed(static_cast<int64_t>(slave.applied));
  return overview;
}

MemberView GroupOverview::View(bool takes_calls) const {
  const BrokerConfig& config = *from_.config;
  MemberView view;
  view.is_master = !is_slave() && takes_calls;
  view.epoch = from_.store->epoch();
  if (config.id == 0) return view;
  view.log_end = from_.log->Reached().appended;
  if (has_set()) view.in_sync = !is_slave() || from_.in_sync->members().contains(config.id);
  if (from_.elected != nullptr) {
    const ElectionState state = from_.elected->State();
    view.is_master = view.is_master && from_.elected->CheckPermit().ok();
    view.epoch = std::max(view.epoch, state.epoch);
    view.in_sync = state.in_sync.contains(config.id);
    view.election = {.has_trouble = !state.trouble.empty(),
                     .acknowledges = state.acknowledges,
                     .won = from_.elected->elections_won()};
  }
  if (from_.master == nullptr) return view;
  view.slaves = from_.master->Slaves();
  if (has_set()) view.in_sync_members = from_.master->InSync().size();
  if (config.store.WaitsForMembers()) view.min_in_sync = config.min_in_sync;
  return view;
}

std::vector<gateway::HostPort> GroupOverview::SlaveAddresses() const {
  if (from_.master == nullptr) return {};
  std::map<BrokerId, std::vector<gateway::HostPort>> by_number;
  for (const SlaveState& slave : from_.master->Slaves()) {
    if (!slave.connected) continue;
    for (const auto& address : slave.identity.addresses()) {
      by_number[slave.id].push_back({address.host(), address.port()});
    }
  }
  std::vector<gateway::HostPort> addresses;
  for (const auto& [number, of_slave] : by_number) {
    addresses.insert(addresses.end(), of_slave.begin(), of_slave.end());
  }
  return addresses;
}

}  // namespace mansio::broker
