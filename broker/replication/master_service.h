#ifndef MANSIO_BROKER_REPLICATION_MASTER_SERVICE_H_
#define MANSIO_BROKER_REPLICATION_MASTER_SERVICE_H_

#include <atomic>
#include <set>

#include "broker/replication/master.h"
#include "broker/replication/pump.h"
#include "common/rpc/call.h"

namespace mansio::broker {

// A Master on the public port: slaves' streams in front of it, a thread behind it. Thread-safe.
class MasterService {
 public:
  // As those of Master.
  MasterService(MasterOptions options, store::ReplicatedLog* log, const Clock* clock,
                std::set<BrokerId> in_sync);
  ~MasterService();

  // Adds the replication stream. This object must outlive the server.
  void Register(rpc::MethodTable& methods);

  // Once, before the server starts.
  void Start();
  // Nothing is committed any more that slaves must hold. After the server has shut down, before the
  // store is closed. Idempotent.
  void Stop();

  // The election's, as those of Master.
  void AskForPromise(BrokerId slave, const PromiseRequest& request) {
    master_.AskForPromise(slave, request);
  }
  void InSyncRecorded(std::set<BrokerId> members);

  // Waits until this reign's beginning is committed and applied: from then on the broker may
  // decide. False when GiveUp came before.
  bool AwaitReign();
  void GiveUp();

  const Master& master() const { return master_; }

 private:
  // Returns when to be called again.
  absl::Duration Work();

  store::ReplicatedLog* const log_;
  Master master_;
  const absl::Duration longest_rest_;
  Pump pump_;
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  CondVar changed_;
  bool reigning_ ABSL_GUARDED_BY(mutex_) = false;
  bool given_up_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_MASTER_SERVICE_H_
