#include "broker/server/static_run.h"

#include <utility>

#include "common/logging/logging.h"

namespace mansio::broker {

StaticRun::StaticRun(FileSystem* files, const BrokerConfig& config, std::string boot)
    : may_lose_(config.id != 0 && config.store.durability == store::Durability::kReplica),
      files_(files),
      directory_(config.store.path),
      boot_(std::move(boot)) {}

absl::StatusOr<BrokerConfig> StaticRun::Opening(BrokerConfig config) {
  const MutexLock lock(&mutex_);
  const bool decided = std::exchange(decided_, false);
  returning_ = false;
  if (!may_lose_ || config.store.role != store::Role::kMaster || decided) return config;
  const absl::StatusOr<bool> whole =
      run_.has_value() ? run_->whole() : RunMark::LastRunIsWhole(*files_, directory_, boot_);
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
  closed_in_order_ = false;
  if (!run_.has_value()) {
    absl::StatusOr<RunMark> run = RunMark::Begin(files_, directory_, boot_, is_empty);
    if (!run.ok()) return run.status();
    run_ = *std::move(run);
  }
  return role == store::Role::kMaster ? run_->SetWhole() : absl::OkStatus();
}

bool StaticRun::is_whole() const {
  const MutexLock lock(&mutex_);
  return !run_.has_value() || run_->whole();
}

void StaticRun::HoldsAll() {
  const MutexLock lock(&mutex_);
  if (!run_.has_value() || run_->whole()) return;
  if (absl::Status written = run_->SetWhole(); !written.ok()) {
    LOG_WARNING("This member goes on as one that may lack something: {}",
                std::string(written.message()));
  }
}

void StaticRun::StoreWasClosed(const absl::Status& closed) {
  const MutexLock lock(&mutex_);
  closed_in_order_ = closed.ok();
}

void StaticRun::End() {
  const MutexLock lock(&mutex_);
  if (!run_.has_value() || !closed_in_order_) return;
  if (absl::Status ended = run_->End(); !ended.ok()) {
    LOG_WARNING("The next start takes this end for one without order: {}",
                std::string(ended.message()));
  }
}

}  // namespace mansio::broker
