#include "broker/replication/master_service.h"

#include <algorithm>
#include <utility>

#include "broker/replication/slave_streams.h"

namespace mansio::broker {

namespace {

// An elected master looks so often whether it may commit again what it has held back.
constexpr absl::Duration kPermitPeriod = absl::Milliseconds(100);

absl::Duration PumpPeriod(const MasterOptions& options) {
  return options.election != nullptr ? std::min(kPermitPeriod, options.heartbeat)
                                     : options.heartbeat;
}

}  // namespace

MasterService::MasterService(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
                             std::set<BrokerId> in_sync)
    : log_(log),
      master_(options, log, clock, std::move(in_sync)),
      longest_rest_(PumpPeriod(options)),
      pump_([this] { return Work(); }) {}

MasterService::~MasterService() { Stop(); }

void MasterService::Register(rpc::MethodTable& methods) {
  methods.bidi.push_back(ServeSlaves(&master_, [this] { pump_.Wake(); }));
}

void MasterService::Start() {
  log_->SetMoved([this] { pump_.Wake(); });
  pump_.Start();
}

void MasterService::Stop() {
  if (stopped_.exchange(true)) return;
  GiveUp();
  pump_.Stop();
  log_->SetMoved(nullptr);
}

void MasterService::InSyncRecorded(std::set<BrokerId> members) {
  master_.InSyncRecorded(std::move(members));
  pump_.Wake();
}

absl::Duration MasterService::Work() {
  const absl::Duration again = std::min(master_.Pump(), longest_rest_);
  if (log_->Reached().applied < log_->ReignStart()) return again;
  const MutexLock lock(&mutex_);
  if (!std::exchange(reigning_, true)) changed_.SignalAll();
  return again;
}

bool MasterService::AwaitReign() {
  const MutexLock lock(&mutex_);
  while (!reigning_ && !given_up_) changed_.Wait(&mutex_);
  return !given_up_;
}

void MasterService::GiveUp() {
  const MutexLock lock(&mutex_);
  given_up_ = true;
  changed_.SignalAll();
}

}  // namespace mansio::broker
