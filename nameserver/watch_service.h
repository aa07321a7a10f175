#ifndef MANSIO_NAMESERVER_WATCH_SERVICE_H_
#define MANSIO_NAMESERVER_WATCH_SERVICE_H_

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/rpc/call.h"
#include "common/sync/sync.h"
#include "nameserver/routing_table.h"

namespace mansio::nameserver {

// The nameserver's side of the watch streams (mansio/v1/registration.proto), by which brokers learn
// of each other: each is told all brokers first, then what changes. What is told is encoded once
// for all watchers; of each only a few updates are under way, and one that is too slow must begin
// again: changes of more than `max_waiting` bytes wait for it. Thread-safe.
class WatchService final : public RoutingListener {
 public:
  // `table` is borrowed, and must outlive the server as this object must; it is listened to from
  // now on.
  explicit WatchService(RoutingTable* table, size_t max_waiting = 64 << 20);
  ~WatchService() override;

  void Register(rpc::MethodTable& methods);
  // Tells nobody anything more: brokers whose streams end because this node stops have not left.
  void Stop();

  void OnMember(const gateway::ClusterTable::Member& member) override;
  void OnChange(const v1::BrokerIdentity& broker, const v1::Delta& delta) override;
  void OnLeft(const v1::BrokerIdentity& broker) override;

 private:
  class Watcher;
  class Stream;
  using Bytes = std::shared_ptr<const std::string>;  // a BrokerUpdate, as an element has it

  // Brokers as a whole, each encoded when the first watcher is told of it as it is.
  class Snapshots {
   public:
    const std::vector<Bytes>& Of(const gateway::ClusterTable::Member& member);
    void Drop(const gateway::ClusterTable::Key& key) { encoded_.erase(key); }
    void Clear() { encoded_.clear(); }

   private:
    std::map<gateway::ClusterTable::Key, std::vector<Bytes>> encoded_;
  };

  void Add(const std::shared_ptr<Watcher>& watcher);
  void Acknowledge(Watcher& watcher, uint64_t sequence);
  void Remove(const Watcher* watcher);
  // Tells those that know of the broker; the others will be told of it as a whole, if it is there.
  void Tell(const gateway::ClusterTable::Key& broker, const std::vector<Bytes>& updates)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Once all watchers have been told everything.
  void ForgetSnapshots() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RoutingTable* const table_;
  const size_t max_waiting_;
  Mutex mutex_;  // taken under the table's lock, never the other way round
  std::vector<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
  Snapshots snapshots_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_WATCH_SERVICE_H_
