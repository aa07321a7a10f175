#ifndef MANSIO_BROKER_SERVER_ELECTED_ROLE_H_
#define MANSIO_BROKER_SERVER_ELECTED_ROLE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/election/elector.h"
#include "broker/election/etcd.h"
#include "broker/replication/group_election.h"
#include "broker/server/broker_config.h"
#include "broker/server/run_mark.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// Who is told of the election while a store is open. Called with locks held: must only queue.
class ElectedMember {
 public:
  virtual ~ElectedMember() = default;
  // Of a slave. Where its master is, HOST:PORT; empty: there is none.
  virtual void SetMaster(const std::string& address) = 0;
  // Of a master; see ElectionListener.
  virtual void AskForPromise(BrokerId slave, const PromiseRequest& request) = 0;
  virtual void InSyncRecorded(std::set<BrokerId> members) = 0;
};

// The role of a broker whose group elects its master (design section 9). It lives as long as the
// process, and a Broker for one role: when this broker is elected, or is not the master any more,
// its store is closed and opened again in the other role. Thread-safe.
class ElectedRole final : public GroupElection, private ElectionListener {
 public:
  struct Environment {
    FileSystem* files = nullptr;  // borrowed, as the clock, which is the machine's, and etcd
    const Clock* clock = nullptr;
    Etcd* etcd = nullptr;
    // Asks for the Broker to be stopped and started again with NextOpening, once for each. Any
    // thread; must not wait for that.
    std::function<void()> reopen;
    std::string boot;  // BootId()
  };

  // `address`: where the other members reach this one, HOST:PORT.
  ElectedRole(const BrokerConfig& config, const std::string& address, Environment environment);
  // Gives up being master. No Broker uses it any more.
  ~ElectedRole() override;

  // --- Of whoever opens and closes the Broker.

  // What it is to be opened with next: `config` with the present role.
  BrokerConfig NextOpening(BrokerConfig config);
  // Somebody has asked for that. A master is not opened again with the same reign.
  bool WantsOpening() const;
  // The last Broker was stopped: gives up being master, and stands no more.
  void End();

  // --- Of the Broker that is open.

  // Its store is open, and nothing was appended since; the log's last epoch is `epoch`, and it ends
  // at `end`, in the directory of the identity `store`. From now on this broker may stand, unless
  // its log is being copied (`copying`). The member is told at once how things are; borrowed until
  // Detach. Errors of the disk.
  absl::Status Attach(ElectedMember* member, store::Epoch epoch, store::LogOffset end, bool copying,
                      const StoreId& store);
  // The member is not called any more. Idempotent.
  void Detach();

  // The store must be opened again, in whatever role there is then.
  void Reopen();
  // The set that is recorded.
  std::set<BrokerId> in_sync() const;
  // Of the set at this broker's election, as far as known.
  StoreIds stores() const;
  // Whether what the open Broker commits may be acknowledged now; hot. Outlives this object.
  std::function<bool()> Permit() const;
  // OK, or Unavailable with the reason why it may not.
  absl::Status CheckPermit() const;
  // The reign that the Broker was opened for is over.
  bool is_deposed() const;
  // Of the Broker that was open, as RunMark's.
  void StoreWasClosed(const absl::Status& closed);
  // The Broker's log accepts nothing any more. This process stands no more, and does not open its
  // store again.
  void StoreHasFailed(const std::string& why);
  // Its disk does not answer: it gives up being master, and does not stand until the disk answers
  // again or the store was opened. Idempotent.
  void DiskIsSilent(const std::string& why);
  void DiskAnswers();
  // As Elector's.
  ElectionState State() const { return elector_.State(); }
  // How often this process was elected master.
  uint64_t elections_won() const { return elections_won_; }
  absl::Status CheckHandOver(BrokerId heir) const { return elector_.CheckHandOver(heir); }
  absl::Status HandOver(BrokerId heir, bool leaves) { return elector_.HandOver(heir, leaves); }

  // GroupElection.
  absl::Status ProposeInSync(std::set<BrokerId> members, StoreIds stores) override;
  void Promised(BrokerId from, const Promise& promise) override;
  bool AcceptsFrames(store::Epoch reign) override;
  std::optional<Promise> PromiseAsked(const PromiseRequest& request) override;
  void HoldsAll() override;
  void IsSecond() override;

 private:
  // ElectionListener.
  void OnElected(std::shared_ptr<const Reign> reign, std::set<BrokerId> in_sync,
                 StoreIds stores) override;
  void OnDeposed(store::Epoch epoch, const std::string& why) override;
  void OnMaster(const std::optional<MasterRecord>& master) override;
  void OnInSyncRecorded(std::set<BrokerId> in_sync) override;
  void OnLogEndWanted() override;
  void AskForPromise(BrokerId slave, const PromiseRequest& request) override;

  // Unless the store has failed: what the disk is to be trusted with is for people to say.
  void AskToReopen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `log_end`: of a log that was just opened.
  void TellStanding(std::optional<store::LogOffset> log_end = std::nullopt);
  // What the run tells of this member, into its standing.
  void TakeOverRun() ABSL_EXCLUSIVE_LOCKS_REQUIRED(standing_mutex_);
  void BecomeWhole();

  const BrokerId self_;
  const bool may_lose_;  // what it holds may be lost with the machine's power
  const Environment environment_;

  mutable Mutex mutex_;
  std::shared_ptr<const Reign> reign_ ABSL_GUARDED_BY(mutex_);   // null: a slave
  std::shared_ptr<const Reign> opened_ ABSL_GUARDED_BY(mutex_);  // of the Broker that is open
  std::set<BrokerId> in_sync_ ABSL_GUARDED_BY(mutex_);
  StoreIds stores_ ABSL_GUARDED_BY(mutex_);
  std::string master_ ABSL_GUARDED_BY(mutex_);  // another one's address
  ElectedMember* member_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool reopening_ ABSL_GUARDED_BY(mutex_) = true;  // NextOpening is about to be called

  // Not held by what is called on the election's thread: it is held while a file is written.
  mutable Mutex standing_mutex_;
  RunMark run_ ABSL_GUARDED_BY(standing_mutex_);
  Standing standing_ ABSL_GUARDED_BY(standing_mutex_);
  bool copying_ ABSL_GUARDED_BY(standing_mutex_) = false;
  bool is_second_ ABSL_GUARDED_BY(standing_mutex_) = false;  // as GroupElection::IsSecond
  bool is_silent_ ABSL_GUARDED_BY(standing_mutex_) = false;  // its disk

  std::atomic<bool> failed_{false};  // its log accepts nothing any more
  std::atomic<uint64_t> elections_won_{0};
  Elector elector_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_ELECTED_ROLE_H_
