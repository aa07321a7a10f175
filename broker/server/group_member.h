#ifndef MANSIO_BROKER_SERVER_GROUP_MEMBER_H_
#define MANSIO_BROKER_SERVER_GROUP_MEMBER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "broker/metrics/member_metrics.h"
#include "broker/promotion/promotion_service.h"
#include "broker/registration/registration_client.h"
#include "broker/replication/in_sync_feature.h"
#include "broker/replication/master_service.h"
#include "broker/replication/slave_link.h"
#include "broker/server/broker_config.h"
#include "broker/server/decision_hold.h"
#include "broker/server/elected_role.h"
#include "broker/server/group_overview.h"
#include "broker/server/hand_over.h"
#include "broker/server/held_receives.h"
#include "broker/server/reign_gate.h"
#include "broker/server/returning_service.h"
#include "broker/server/slave_gate.h"
#include "broker/server/static_run.h"
#include "common/gateway/directory.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// This broker's part in its group (design section 9): alone, a master, or a slave. One that is
// alone has nothing of replication but the feature, which is never called. Thread-safe.
class GroupMember final : private ElectedMember {
 public:
  struct Environment {
    const Clock* clock = nullptr;  // borrowed, as the next two
    TimerQueue* timers = nullptr;
    gateway::ClientRegistry* clients = nullptr;
    std::function<void()> reopen;            // as Broker::Environment
    std::function<void(rpc::Holding)> hold;  // rpc::Server::Hold
    ElectedRole* elected = nullptr;          // as Broker::Environment, as the next
    StaticRun* run = nullptr;
    std::function<v1::BrokerIdentity()> identity;  // this broker's; from any thread
    KeptRole* roles = nullptr;                     // as Broker::Environment
    rpc::Client* peers = nullptr;                  // borrowed
    HostPort advertised = {};
    FileSystem* files = nullptr;  // borrowed
  };
  GroupMember(const BrokerConfig& config, std::string cluster_secret, Environment environment);
  ~GroupMember() override;

  Feature* feature() { return &in_sync_; }
  bool is_slave() const { return config_.store.role == store::Role::kSlave; }
  // A slave whose master is away.
  bool is_alone() const { return link_ != nullptr && !link_->following(); }
  // It may not know all that was acknowledged: a slave that has not followed a master since its
  // store was opened, or a master whose reign has not begun.
  bool may_lack() const {
    return link_ != nullptr ? !link_->has_followed() : !DecidesAtOnce() && !begun_;
  }
  // To be the master, and a slave without one until it has asked the others what it may have lost.
  bool is_returning() const {
    return environment_.run != nullptr && environment_.run->is_returning();
  }
  // A slave's master; nullopt: there is none.
  std::optional<HostPort> PresentMaster() const;
  // Decisions may be made, and records appended, as soon as the store is open.
  bool DecidesAtOnce() const { return !config_.store.WaitsForCommit(); }

  // Store::Environment::may_commit.
  std::function<bool()> Permit() const;
  // The store was opened; borrowed. Errors of the disk.
  absl::Status Attach(store::Store* store);
  // Before and after the forwarder is put in front of `methods`.
  void AddBehindForwarder(rpc::MethodTable& methods);
  void AddBeforeForwarder(rpc::MethodTable& methods);

  // The server runs. `decide` makes this broker decide what the log will say, `appear` makes it
  // known to others. Decisions that were not made at once begin with a master's reign, on a thread
  // of its own: `decide` may block, and its error is logged.
  void Start(std::function<absl::Status()> decide, std::function<void()> appear);
  // Each second: whether there is somebody who decides may have changed.
  void Look();
  // Before the end: a master hands over (HandOver::StepAside), a slave says goodbye to its master.
  // Waits for that for some seconds at most.
  void StepAside();
  // Neither runs any more or is called; what they wait for fails. Idempotent.
  void StopBeginning();
  // A master that ends, or is to be something else, decides nothing more; what waits for its slaves
  // may wait for `patience`, and fails then, or at once when they are not there. Before the server
  // ends their streams.
  void EndCommits(absl::Duration patience);
  // Receives that are held end. Before the server shuts down. Idempotent.
  void ReleaseCalls();
  // After the server has shut down, before the store is closed. Idempotent.
  void Stop();

  // How this broker stands with its nameservers. A master that is refused because another member
  // has become master serves no sends any more, until it is accepted again.
  void LookForSuccessor(const std::vector<RegistrationState>& registrations);
  // What the store says of itself (Store::Health), now and then: a member whose store has failed is
  // not to be, or become, the master.
  void NoteHealth(const absl::Status& health);

  // What it tells others of that; once the store is attached.
  const GroupOverview& overview() const { return *overview_; }
  // The same for metrics.
  MemberView View() const { return overview_->View(SomebodyDecides()); }

 private:
  PromotionEnvironment PromotionEnvironmentOf();
  HandOver::Environment HandOverEnvironmentOf();
  MemberState OwnState() const;
  // The last in-sync set in the log; without members when it has never had one. Reads files.
  absl::StatusOr<InSyncRecord> LastInSync() const;
  // ElectedMember.
  void SetMaster(const std::string& address) override;
  void AskForPromise(BrokerId slave, const PromiseRequest& request) override;
  void InSyncRecorded(std::set<BrokerId> members) override;

  absl::Status AttachMaster();
  absl::Status AttachSlave();
  absl::Status AttachReturning();
  // Has another member promoted, to which this one hands over.
  void AskForPromotion(const v1::BrokerIdentity& heir,
                       std::function<void(const absl::Status&)> done);
  // Of promotions.
  void HandOverTo(BrokerId heir, HandOver::Done done);
  void Resume();
  std::vector<v1::BrokerIdentity> Members() const;
  void Begin(const std::function<absl::Status()>& decide, const std::function<void()>& appear);
  bool SomebodyDecides() const;

  const BrokerConfig config_;
  const std::string cluster_secret_;
  const Environment environment_;
  InSyncFeature in_sync_;
  DecisionHold hold_;
  store::Store* store_ = nullptr;
  StoreId store_id_;                             // of a member of a group
  store::ReplicatedLog* log_ = nullptr;          // of a member of a group
  std::unique_ptr<MasterService> master_;        // of a group's master
  std::unique_ptr<SlaveLink> link_;              // of a slave
  std::unique_ptr<ReturningService> returning_;  // where is_returning
  std::unique_ptr<HeldReceives> held_;           // of a member of a group
  std::unique_ptr<SlaveGate> slave_gate_;
  std::unique_ptr<ReignGate> reign_gate_;  // of a group's master, as the next
  std::unique_ptr<HandOver> hand_over_;
  std::optional<GroupOverview> overview_;
  PromotionService promotion_;
  std::string successor_;  // that made this master stop serving; timers' thread only
  std::thread beginning_;
  mutable Mutex mutex_;
  std::optional<HostPort> present_master_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> begun_{false};
  std::atomic<bool> stopped_{false};
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_GROUP_MEMBER_H_
