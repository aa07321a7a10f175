#ifndef MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_
#define MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/gateway/cluster_table.h"
#include "common/sync/sync.h"

namespace mansio {
class Clock;
}

namespace mansio::broker {

// What this broker knows of the others, from a nameserver's watch stream. It outlives the stream:
// while no nameserver is up, what was known last counts. What a new stream does not confirm is kept
// for a while, since a nameserver that has just started knows of brokers only when they have
// registered again. Thread-safe.
class ClusterView {
 public:
  // How long what is not confirmed is kept after a new stream has told everything it knew.
  static constexpr absl::Duration kUnconfirmed = absl::Seconds(10);

  // `self`: this broker's own name, which is left out. `clock` is borrowed.
  ClusterView(std::string self, const Clock* clock) : self_(std::move(self)), clock_(clock) {}

  // A new stream begins.
  void Begin();
  void Apply(const v1::ClusterUpdate& update);
  // Drops what was not confirmed for too long, and ends waits that last too long; run about once a
  // second.
  void KeepHouse();

  // How long is waited for the first nameserver to tell of the cluster.
  static constexpr absl::Duration kPatience = absl::Seconds(6);
  // How long at least for one that has just started itself, and says so, to say more.
  static constexpr absl::Duration kPatienceSettling = absl::Seconds(4);
  static constexpr size_t kMostWaiting = 10'000;
  // From now on a nameserver is expected to do so; without this call nobody is waited for.
  // `has_past`: others may know groups of this broker's time before; while the nameserver itself
  // has just started and may lack them, its word does not count. A new broker has missed nothing.
  void Expect(bool has_past);
  // Calls `done` when it is known what the others have: at once, or when a nameserver has told of
  // all of them for the first time. kDeadlineExceeded when none has within kPatience of Expect
  // (and kPatienceSettling of a first word),
  // kResourceExhausted when too many wait already, kCancelled after Stop. `done` is called without
  // a lock, by whoever calls Apply, KeepHouse or Stop, or by this thread.
  using Known = absl::AnyInvocable<void(const absl::Status&)>;
  void WhenKnown(Known done);
  // Ends all waits, and lets nobody wait any more.
  void Stop();

  // As those of ClusterTable.
  gateway::TopicRoute Route(std::string_view topic) const;
  std::vector<std::string> MastersWith(std::string_view topic) const;
  std::vector<std::string> MastersWithGroup(std::string_view group) const;
  std::vector<std::string> Sharing(std::string_view topic) const;
  std::string GroupOwner(std::string_view topic, std::string_view message_group,
                         std::string_view first = {}) const;
  std::vector<gateway::Master> Masters() const;
  std::optional<gateway::GroupPolicy> Group(std::string_view group) const;
  std::optional<v1::GroupInfo> GroupInfo(std::string_view group) const;
  std::optional<gateway::HostPort> MasterOf(std::string_view broker) const;
  size_t size() const;

 private:
  using Key = gateway::ClusterTable::Key;

  void Apply(const v1::BrokerUpdate& update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What WhenKnown would say now; nullopt: nothing yet.
  std::optional<absl::Status> Knowledge() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Ends the waits if there is something to say.
  void EndWaits() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string self_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  gateway::ClusterTable table_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, gateway::ClusterTable::Member> parts_ ABSL_GUARDED_BY(mutex_);  // of snapshots
  std::set<Key> unconfirmed_ ABSL_GUARDED_BY(mutex_);
  absl::Duration complete_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  bool known_ ABSL_GUARDED_BY(mutex_) = false;  // it was complete once
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_past_ ABSL_GUARDED_BY(mutex_) = false;
  // When nobody is waited for any more, by the clock's BootNow.
  std::optional<absl::Duration> expected_until_ ABSL_GUARDED_BY(mutex_);
  std::vector<Known> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_
