// Whom the master waits for: who leaves the in-sync set and who joins it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "broker/replication/master_peers.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

// A slave that had everything less than this part of replication.max-lag ago lacks little, and is
// waited for no longer than that.
constexpr int kLittle = 20;

constexpr absl::Duration kLookAtFlush = absl::Milliseconds(10);

}  // namespace

// The record of a new in-sync set.
class Master::ChangeAppend final : public store::Append {
 public:
  ChangeAppend(std::shared_ptr<Shared> shared, const std::set<BrokerId>& members)
      : shared_(std::move(shared)) {
    AddRecord(kInSyncSetRecord, EncodeInSyncSet(members));
  }
  void Appended(const store::AppendResult& result) override {
    const MutexLock lock(&shared_->mutex);
    shared_->set.Placed(result.records.front());
    placed_ = true;
  }
  void Applied(const store::AppendResult&) override {}
  void Failed(const absl::Status&) override {
    // One that is in the log stays in force: it may be what the next start finds.
    if (placed_) return;
    const MutexLock lock(&shared_->mutex);
    shared_->set.Withdraw();
  }

 private:
  const std::shared_ptr<Shared> shared_;
  bool placed_ = false;
};

void Master::MeasureLag(absl::Duration now) {
  const store::Cursors reached = log_->Reached();
  const Lock lock(&shared_->mutex);
  shared_->set.SetHeld(options_.id, {reached.appended, reached.synced});
  for (auto& [session, peer] : shared_->peers) {
    if (!peer.streaming || !shared_->Counts(peer)) continue;
    shared_->set.SetHeld(peer.id, {peer.held.held(), peer.held.synced()});
    const auto good = peer.lag.Look(shared_->set.Counted(peer.id), reached.appended, now);
    if (good.has_value()) shared_->good[peer.id] = *good;
    const auto held_all = peer.held_lag.Look(peer.held.held(), reached.appended, now);
    if (held_all.has_value()) peer.held_all = *held_all;
  }
}

bool Master::MayJoin(const Peer& peer, store::LogOffset all, absl::Duration behind) const {
  if (!peer.streaming || peer.leaving || peer.held.copying()) return false;
  if (peer.held.held() < log_->ReignStart()) return false;
  // Else it would be waited for in vain: its disk may stand still.
  if (behind > options_.max_lag / 2) return false;
  // Where nobody waits for it, it is always a little behind under load.
  if (!waits_for_set_) return true;
  // Once etcd names it, it may be elected whatever its disk has; a record in the log counts only
  // when the member has synced it.
  const bool must_be_synced =
      options_.election != nullptr && options_.durability == store::Durability::kReplicaSync;
  return (must_be_synced ? peer.held.synced() : peer.held.held()) >= all;
}

std::optional<std::set<BrokerId>> Master::ChangeDue(absl::Duration now) {
  const store::LogOffset committed = log_->Reached().committed;
  const Lock lock(&shared_->mutex);
  if (shared_->set.on_its_way()) return std::nullopt;
  std::set<BrokerId> members = shared_->set.coming();
  shared_->DropStores();
  // Also what is about to be committed without it: a change that is recorded elsewhere than in the
  // log does not come behind that.
  const store::LogOffset all = std::max({committed, shared_->allowed, log_->ReignStart()});
  for (const auto& [session, peer] : shared_->peers) {
    const auto good = shared_->good.find(peer.id);
    const absl::Duration behind =
        good == shared_->good.end() ? absl::InfiniteDuration() : now - good->second;
    if (!shared_->Counts(peer)) {
      // Its number leaves the set first, even if too few are left: nobody is to be elected by it
      // before this store has everything. Whose it was may come again until then.
      if (behind <= options_.max_lag && !shared_->left.contains(peer.id)) continue;
      members.erase(peer.id);
      shared_->good.erase(peer.id);
    } else if (!members.contains(peer.id) && MayJoin(peer, all, behind)) {
      members.insert(peer.id);
      shared_->left.erase(peer.id);
      if (!peer.store.empty()) shared_->stores[peer.id] = peer.store;
      shared_->good[peer.id] = now;
    }
  }
  for (const BrokerId member : shared_->Behind(members, options_.id, now - options_.max_lag)) {
    if (members.size() > options_.min_in_sync) members.erase(member);
  }
  if (members == shared_->set.coming()) return std::nullopt;
  LOG_WARNING("The in-sync set of {} changes from {{{}}} to {{{}}}.", options_.broker,
              fmt::join(shared_->set.coming(), ", "), fmt::join(members, ", "));
  shared_->set.Propose(members);
  return members;
}

void Master::AwaitJoining(absl::Duration now, absl::Duration* again) {
  const absl::Duration little = options_.max_lag / kLittle;
  std::set<BrokerId> joining;
  const Lock lock(&shared_->mutex);
  for (auto& [session, peer] : shared_->peers) {
    if (!peer.streaming || peer.held.copying() || !shared_->Counts(peer)) continue;
    if (shared_->set.coming().contains(peer.id)) continue;
    if (peer.held.held() < log_->ReignStart()) continue;
    if (now - peer.held_all > little) continue;
    // Once in a while, and not for long: its disk may stand still.
    if (now - peer.awaited > options_.max_lag) peer.awaited = now;
    if (now - peer.awaited <= little) joining.insert(peer.id);
  }
  // A change that is recorded elsewhere may be on its way for long.
  if (shared_->set.on_its_way()) joining.clear();
  if (!joining.empty()) *again = std::min(*again, little);
  shared_->set.Await(std::move(joining));
}

bool Master::Record(const std::set<BrokerId>& members) {
  if (options_.election != nullptr) {
    StoreIds stores;
    {
      const Lock lock(&shared_->mutex);
      stores = shared_->stores;
    }
    return options_.election->ProposeInSync(members, std::move(stores)).ok();
  }
  return log_->SubmitRecord(std::make_unique<ChangeAppend>(shared_, members)).ok();
}

void Master::RecordStores() {
  std::set<BrokerId> members;
  {
    const Lock lock(&shared_->mutex);
    if (options_.election == nullptr || !std::exchange(shared_->store_is_new, false)) return;
    members = shared_->set.coming();
  }
  // False: the reign is over.
  static_cast<void>(Record(members));
}

void Master::KeepSet(absl::Duration now, absl::Duration* again) {
  MeasureLag(now);
  if (const auto members = ChangeDue(now); members.has_value() && !Record(*members)) {
    const Lock lock(&shared_->mutex);
    shared_->set.Withdraw();
  }
  RecordStores();
  if (waits_for_set_) AwaitJoining(now, again);
  store::LogOffset committed = 0;
  {
    const Lock lock(&shared_->mutex);
    while (shared_->set.Settle()) {
    }
    committed = shared_->set.Committed();
    shared_->allowed = std::max(shared_->allowed, committed);
    // A record in the log counts when it is flushed, and nothing wakes the pump for that.
    const bool is_recorded_here = options_.election == nullptr;
    if (is_recorded_here && shared_->set.coming() != shared_->set.members())
      *again = std::min(*again, kLookAtFlush);
  }
  log_->AllowCommit(committed);
}

void Master::LetGo() {
  std::vector<Session> gone;
  {
    const Lock lock(&shared_->mutex);
    for (const auto& [session, peer] : shared_->peers) {
      const bool waits = keeps_set_ && shared_->IsAboutToGo(peer, options_.min_in_sync);
      if (peer.leaving && !waits) gone.push_back(session);
    }
  }
  for (const Session session : gone) End(session, absl::OkStatus());
}

absl::Status Master::CheckSends() const {
  if (!waits_for_set_) return absl::OkStatus();
  const Lock lock(&shared_->mutex);
  size_t connected = 1;
  for (const auto& [session, peer] : shared_->peers) {
    const bool is_member = shared_->Counts(peer) && shared_->set.members().contains(peer.id);
    if (peer.streaming && is_member) ++connected;
  }
  if (connected >= options_.min_in_sync) return absl::OkStatus();
  return absl::UnavailableError(fmt::format(
      "{} of the in-sync members of {} are connected, and replication.min-in-sync is {}: look "
      "why its slaves are not there, or lower that number",
      connected, options_.broker, options_.min_in_sync));
}

std::set<BrokerId> Master::InSync() const {
  if (!keeps_set_) return {};
  const Lock lock(&shared_->mutex);
  return shared_->set.members();
}

}  // namespace mansio::broker
