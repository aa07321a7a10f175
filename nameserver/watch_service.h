#ifndef MANSIO_NAMESERVER_WATCH_SERVICE_H_
#define MANSIO_NAMESERVER_WATCH_SERVICE_H_

#include <cstddef>
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
// again. Thread-safe.
class WatchService final : public RoutingListener {
 public:
  // `table` is borrowed, and must outlive the server as this object must; it is listened to from
  // now on.
  explicit WatchService(RoutingTable* table);
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

  void Add(const std::shared_ptr<Watcher>& watcher);
  void Acknowledge(Watcher& watcher, uint64_t sequence);
  void Remove(const Watcher* watcher);
  // Tells those that know of the broker; the others will be told of it as a whole, if it is there.
  void Tell(const v1::BrokerIdentity& broker, const std::vector<Bytes>& updates, bool has_left);

  bool IsWatched();

  RoutingTable* const table_;
  Mutex mutex_;  // taken under the table's lock, never the other way round
  std::vector<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_WATCH_SERVICE_H_
