#include "broker/server/static_run.h"

#include <utility>

namespace mansio::broker {

StaticRun::StaticRun(FileSystem* files, const BrokerConfig& config, std::string boot)
    : may_lose_(config.id != 0 && store::WaitsForInSyncSet(config.store.durability)),
      confirms_synced_(config.store.durability == store::Durability::kReplicaSync),
      run_(files, config.store.path, std::move(boot)) {}

absl::StatusOr<BrokerConfig> StaticRun::Opening(BrokerConfig config) {
  const MutexLock lock(&mutex_);
  const bool decided = std::exchange(decided_, false);
  returning_ = false;
  if (!may_lose_ || config.store.role != store::Role::kMaster || decided) return config;
  const absl::StatusOr<bool> whole = run_.IsOrWouldBeWhole();
  if (!whole.ok()) return whole.status();
  returning_ = !*whole;
  if (returning_) config.store.role = store::Role::kSlave;
  return config;
}

bool StaticRun::is_returning() const {
  const MutexLock lock(&mutex_);
  return returning_;
}

void StaticRun::Decided() {
  const MutexLock lock(&mutex_);
  decided_ = true;
}

absl::Status StaticRun::Attach(store::Role role, bool is_empty) {
  if (!may_lose_) return absl::OkStatus();
  const MutexLock lock(&mutex_);
  if (absl::Status begun = run_.StoreWasOpened(is_empty); !begun.ok()) return begun;
  return role == store::Role::kMaster ? run_.SetWhole() : absl::OkStatus();
}

void StaticRun::Promoted(std::set<BrokerId> silent) {
  const MutexLock lock(&mutex_);
  silent_ = std::move(silent);
}

std::set<BrokerId> StaticRun::TakeSilent() {
  const MutexLock lock(&mutex_);
  return std::exchange(silent_, {});
}

bool StaticRun::is_whole() const {
  const MutexLock lock(&mutex_);
  if (!run_.has_begun() || run_.whole()) return true;
  return confirms_synced_ && !run_.began_empty();
}

void StaticRun::HoldsAll() {
  const MutexLock lock(&mutex_);
  run_.BecomeWhole();
}

void StaticRun::StoreWasClosed(const absl::Status& closed) {
  const MutexLock lock(&mutex_);
  run_.StoreWasClosed(closed);
}

void StaticRun::End() {
  const MutexLock lock(&mutex_);
  run_.End();
}

}  // namespace mansio::broker
