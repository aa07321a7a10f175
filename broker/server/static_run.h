#ifndef MANSIO_BROKER_SERVER_STATIC_RUN_H_
#define MANSIO_BROKER_SERVER_STATIC_RUN_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/replication/records.h"
#include "broker/server/broker_config.h"
#include "broker/server/run_mark.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Whether a member of a group with static roles may lack the end of its log, as its machine went
// down while it ran (RunMark): with `replica` that was confirmed, with `replica-sync` a master's
// slaves may hold it all the same. Such a master hears from its slaves before it begins its reign.
// It lives as long as the process, and a Broker for one role. Thread-safe.
class StaticRun {
 public:
  // `files` is borrowed. `boot`: BootId().
  StaticRun(FileSystem* files, const BrokerConfig& config, std::string boot);

  // `config`, with the role that applies, as the store is to be opened next: a master that may lack
  // something is a slave first, unless Decided was called since. Errors of the disk.
  absl::StatusOr<BrokerConfig> Opening(BrokerConfig config);
  // The last opening's configuration has another role than applies: this is to be the master, and
  // asks the others first.
  bool is_returning() const;
  // The member may be what it is to be from the next opening on.
  void Decided();

  // The store is open: from now on the machine's end costs something. What a master has is what the
  // group has. Errors of the disk.
  absl::Status Attach(store::Role role, bool is_empty);
  // The next opening is a promotion, which these members of the set have not answered; and takes
  // them from here.
  void Promoted(std::set<BrokerId> silent);
  std::set<BrokerId> TakeSilent();
  // It lacks nothing of what it has confirmed.
  bool is_whole() const;
  // It has all of that again, from its master.
  void HoldsAll();
  // Of the Broker that was open, as RunMark's.
  void StoreWasClosed(const absl::Status& closed);
  // The last Broker was stopped.
  void End();

 private:
  const bool may_lose_;
  const bool confirms_synced_;  // so that nothing confirmed is lost
  mutable Mutex mutex_;         // also of the file
  RunMark run_ ABSL_GUARDED_BY(mutex_);
  bool decided_ ABSL_GUARDED_BY(mutex_) = false;
  bool returning_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<BrokerId> silent_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_STATIC_RUN_H_
