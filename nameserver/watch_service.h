#ifndef MANSIO_NAMESERVER_WATCH_SERVICE_H_
#define MANSIO_NAMESERVER_WATCH_SERVICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "common/rpc/call.h"
#include "common/sync/sync.h"
#include "nameserver/change_log.h"
#include "nameserver/routing_table.h"

namespace mansio {
class Clock;
class TimerQueue;
}  // namespace mansio

namespace mansio::nameserver {

// The nameserver's side of the watch streams (mansio/v1/registration.proto), by which brokers learn
// of each other: each is told all brokers first, then what changes. The first change after a quiet
// time is told at once, those that follow are gathered for a moment. What is told is encoded once
// for all watchers, and only a few updates are under way to each; whoever is slower is told what
// has become of everything meanwhile, which is never more than all there is. Thread-safe.
class WatchService final : public RoutingListener {
 public:
  // For so long at least what changes is gathered...
  static constexpr absl::Duration kGather = absl::Milliseconds(50);
  // ...and for so long for each watcher: telling one takes a third of that (docs/performance.md).
  static constexpr absl::Duration kGatherForEach = absl::Microseconds(200);
  // For so long after the start brokers are registering again, and what is known may lack some.
  static constexpr absl::Duration kSettling = absl::Seconds(3);

  // All are borrowed. `table` is listened to from now on, and must outlive the server as this
  // object must; nothing that `timers` runs may come after this object's end.
  WatchService(RoutingTable* table, const Clock* clock, TimerQueue* timers);
  ~WatchService() override;

  void Register(rpc::MethodTable& methods);
  // Tells nobody anything more: brokers whose streams end because this node stops have not left.
  void Stop();

  void OnMember(const gateway::ClusterTable::Member& member) override;
  void OnChange(const gateway::ClusterTable::Member& member, const v1::Delta& delta) override;
  void OnLeft(const v1::BrokerIdentity& broker) override;

 private:
  class Watcher;
  class Stream;
  enum class Knows;

  void Add(const std::shared_ptr<Watcher>& watcher);
  void Acknowledge(Watcher& watcher, uint64_t sequence);
  void Remove(const Watcher* watcher);

  // Something is to be told, now or when enough has been gathered.
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells everybody what has changed up to now.
  void TellAll();
  // How much one knows that takes all that waits for it.
  Knows KnownTo(const Watcher& watcher) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasMoreFor(const Watcher& watcher) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells one as much as may be under way.
  void Tell(Watcher& watcher, const gateway::ClusterTable& cluster)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const ChangeLog::Batch& BatchAfter(ChangeLog::Position from, const gateway::ClusterTable& cluster)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What nobody needs any more.
  void Forget() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RoutingTable* const table_;
  const Clock* const clock_;
  TimerQueue* const timers_;
  Mutex mutex_;  // taken under the table's lock, never the other way round
  std::vector<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
  ChangeLog log_ ABSL_GUARDED_BY(mutex_);
  // Of what is shown, by what they come after: many watchers are equally far.
  std::map<ChangeLog::Position, ChangeLog::Batch> batches_ ABSL_GUARDED_BY(mutex_);
  bool gathering_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Duration told_at_ ABSL_GUARDED_BY(mutex_) = -absl::InfiniteDuration();  // by BootNow
  bool settled_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_WATCH_SERVICE_H_
