#ifndef MANSIO_NAMESERVER_ROUTING_TABLE_H_
#define MANSIO_NAMESERVER_ROUTING_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/gateway/cluster_table.h"
#include "common/gateway/directory.h"
#include "common/sync/sync.h"
#include "mansio/v1/admin.pb.h"
#include "mansio/v1/registration.pb.h"
#include "nameserver/lost_brokers.h"

namespace mansio {
class Clock;
}

namespace mansio::nameserver {

// One registration stream; never used twice.
using SessionId = uint64_t;

// Told of every change, in order, after it, but for OnLeft, and under the table's lock: short, and
// never calls the table.
class RoutingListener {
 public:
  virtual ~RoutingListener() = default;
  // A broker has registered, or has done so again.
  virtual void OnMember(const gateway::ClusterTable::Member& member) = 0;
  virtual void OnChange(const gateway::ClusterTable::Member& member, const v1::Delta& delta) = 0;
  virtual void OnLeft(const v1::BrokerIdentity& broker) = 0;
};

// The member that has become the master of the broker's group since, where that is why `status` of
// Install, Change or KeepAlive refuses it; else "". Pure.
std::string SupersededBy(const absl::Status& status);

// Everything the nameserver knows, in memory only: what each broker registered, merged over brokers
// when asked. A broker is (cluster, name, id). It is in the table from its snapshot until its
// stream is lost or silent for too long. Thread-safe; every function but Topics and Groups returns
// at once.
class RoutingTable final : public gateway::Directory {
 public:
  struct Options {
    absl::Duration expiry = absl::Seconds(5);  // a broker that is silent for so long is removed
    size_t max_topics = 100000;                // of one broker
    size_t max_groups = 100000;
  };
  RoutingTable(Options options, const Clock* clock);

  // Set before the server starts. Borrowed; null: nobody.
  void SetListener(RoutingListener* listener) { listener_ = listener; }

  // Enters or replaces the broker of a complete snapshot. A name belongs to the first broker that
  // registers with it, for as long as that is registered: another one, of this cluster or of
  // another one, is FailedPrecondition, and the text names both. It replaces itself at any epoch
  // (the same address and lineage; with an empty store it has to wait until what it was has left),
  // and a broker of the same lineage with a greater epoch replaces it (a
  // group's new master). InvalidArgument for an identity or entries that routes cannot contain and
  // for a session of another broker, ResourceExhausted for too many topics, groups or brokers.
  absl::Status Install(SessionId session, v1::Snapshot snapshot);
  // Applies a delta; NotFound when the session's broker is not registered (any more), so that it
  // must begin again with a snapshot. A session that its broker has left for another one is told OK
  // and ignored; FailedPrecondition when the broker has been replaced by one with a greater epoch.
  absl::Status Change(SessionId session, v1::Delta delta);
  // Says that the broker lives; errors as for Change.
  absl::Status KeepAlive(SessionId session);
  // The stream has ended: its broker leaves the routes at once.
  void Remove(SessionId session);
  // Removes brokers that were silent for too long; run a few times per expiry.
  void ExpireSilent();

  // The masters that have the topic, ordered by broker name.
  absl::StatusOr<gateway::TopicRoute> Route(std::string_view topic) const override;
  gateway::GroupPolicy Group(std::string_view group) const override;
  std::vector<std::string> OthersWith(std::string_view topic) const override;
  std::vector<std::string> OthersWithGroup(std::string_view group) const override;
  std::vector<std::string> WithoutMaster() const override;
  std::vector<std::string> Sharing(std::string_view topic) const override;
  std::string GroupOwner(std::string_view topic, std::string_view message_group) const override;
  std::vector<gateway::Master> Masters() const override;
  std::optional<gateway::HostPort> MasterOf(std::string_view broker) const override;

  // Runs `look` while nothing changes and the listener is not called; beside other readers.
  void Inspect(const std::function<void(const gateway::ClusterTable&)>& look) const;

  // Registered brokers with their counts, by cluster, name and id.
  std::vector<v1::BrokerOverview> Brokers() const;
  // Those that have left within the last day and are not back.
  std::vector<v1::BrokerOverview> Lost() const;
  // Merged over the masters, by name. Of a hundred thousand this takes a while, in which others
  // read and change the table: each broker is as it was at one moment, not all of them at the same.
  std::vector<v1::TopicOverview> Topics() const;
  std::vector<v1::GroupOverview> Groups() const;

 private:
  using Key = gateway::ClusterTable::Key;
  using Member = gateway::ClusterTable::Member;
  struct Registration {
    SessionId session = 0;
    absl::Duration last_heard;
  };
  struct Session {
    Key key;
    int64_t epoch = 0;
  };

  // The broker of a session: null when the session is to be ignored.
  absl::StatusOr<const Key*> Find(SessionId session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status JudgeSession(SessionId session, const Key& key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status JudgeClaim(const Key& key, const v1::BrokerIdentity& identity) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The broker of another cluster that has this one's name; null: there is none.
  const Member* FindElsewhere(const v1::BrokerIdentity& identity) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <typename Overview, typename Info>
  std::vector<Overview> Merged(StringMap<Info> Member::*infos, Info* (Overview::*field)()) const;
  // Takes a broker out.
  void Drop(const Key& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Perhaps in another role.
  bool IsHere(const v1::BrokerIdentity& broker) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckLimits(size_t topics, size_t groups) const;

  const Options options_;
  const Clock* const clock_;
  RoutingListener* listener_ = nullptr;

  mutable Mutex mutex_;
  gateway::ClusterTable cluster_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, Registration> registrations_ ABSL_GUARDED_BY(mutex_);  // of each member
  absl::flat_hash_map<SessionId, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  LostBrokers lost_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_ROUTING_TABLE_H_
