#ifndef MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_
#define MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  // Drops what was not confirmed for too long; run about once a second.
  void DropUnconfirmed();

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

  const std::string self_;
  const Clock* const clock_;
  mutable Mutex mutex_;
  gateway::ClusterTable table_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, gateway::ClusterTable::Member> parts_ ABSL_GUARDED_BY(mutex_);  // of snapshots
  std::set<Key> unconfirmed_ ABSL_GUARDED_BY(mutex_);
  absl::Duration complete_since_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REGISTRATION_CLUSTER_VIEW_H_
