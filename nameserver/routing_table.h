#ifndef MANSIO_NAMESERVER_ROUTING_TABLE_H_
#define MANSIO_NAMESERVER_ROUTING_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/gateway/directory.h"
#include "common/names/string_map.h"
#include "common/sync/sync.h"
#include "mansio/v1/admin.pb.h"
#include "mansio/v1/registration.pb.h"

namespace mansio {
class Clock;
}

namespace mansio::nameserver {

// One registration stream; never used twice.
using SessionId = uint64_t;

// Everything the nameserver knows, in memory only: what each broker registered, merged over brokers
// when asked. A broker is (cluster, name, id). It is in the table from its snapshot until its
// stream is lost or silent for too long. Thread-safe; every function but the Await ones returns at
// once.
class RoutingTable final : public gateway::Directory {
 public:
  struct Options {
    absl::Duration expiry = absl::Seconds(5);  // a broker that is silent for so long is removed
    size_t max_topics = 100000;                // of one broker
    size_t max_groups = 100000;
  };
  RoutingTable(Options options, const Clock* clock);

  // Enters or replaces the broker of a complete snapshot. Where another address is registered as
  // the same broker, the greater epoch wins (FailedPrecondition for the smaller); with equal epochs
  // the latest stays, and one warning names both addresses. InvalidArgument for an identity or
  // entries that routes cannot contain and for a session of another broker, ResourceExhausted for
  // too many topics, groups or brokers.
  absl::Status Install(SessionId session, v1::Snapshot snapshot);
  // Applies a delta; NotFound when the session's broker is not registered (any more), so that it
  // must begin again with a snapshot. A session whose broker has been taken over is told OK and
  // ignored while the other one, of the same epoch, stays; FailedPrecondition when that has a
  // greater epoch.
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

  // Registered brokers with their counts, by cluster, name and id.
  std::vector<v1::BrokerOverview> Brokers() const;
  // Those that take changes: id 0.
  std::vector<v1::BrokerIdentity> Masters() const;
  // Merged over the masters, by name.
  std::vector<v1::TopicOverview> Topics() const;
  std::vector<v1::GroupOverview> Groups() const;

  // Wait, at most `timeout`, until every broker named (those that are registered) has the topic or
  // group, respectively has it no more. For commands, whose effect should be seen by whoever asks
  // next.
  bool AwaitTopic(std::string_view topic, const std::vector<std::string>& brokers, bool present,
                  absl::Duration timeout) const;
  bool AwaitGroup(std::string_view group, const std::vector<std::string>& brokers, bool present,
                  absl::Duration timeout) const;

 private:
  using Key = std::tuple<std::string, std::string, int32_t>;  // cluster, name, id
  struct Broker {
    v1::BrokerIdentity identity;
    SessionId session = 0;
    absl::Duration last_heard;
    StringMap<v1::TopicInfo> topics;
    StringMap<v1::GroupInfo> groups;
  };
  struct Session {
    Key key;
    int64_t epoch = 0;
  };

  // The broker of a session: null when the session is to be ignored.
  absl::StatusOr<Broker*> Find(SessionId session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status JudgeSession(SessionId session, const Key& key) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status JudgeClaim(const Key& key, const v1::BrokerIdentity& identity)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WarnOnce(std::string text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckLimits(size_t topics, size_t groups) const;
  bool Await(const std::vector<std::string>& brokers, absl::Duration timeout,
             const std::function<bool(const Broker&)>& reached) const;

  const Options options_;
  const Clock* const clock_;

  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::map<Key, Broker> brokers_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<SessionId, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  StringSet warnings_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_ROUTING_TABLE_H_
