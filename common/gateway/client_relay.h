#ifndef MANSIO_COMMON_GATEWAY_CLIENT_RELAY_H_
#define MANSIO_COMMON_GATEWAY_CLIENT_RELAY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/directory.h"
#include "common/names/string_map.h"
#include "common/rpc/client.h"
#include "common/sync/sync.h"
#include "mansio/v1/relay.pb.h"

namespace mansio {
class TimerQueue;
}

namespace mansio::gateway {

// Tells every other broker that has one of a client's topics of that client, which may talk to this
// node only (design section 2; mansio/v1/relay.proto): what it is, that it lives, that it has gone;
// and passes what those brokers have to say to its telemetry stream on. What has changed is told at
// once, signs of life and new owners of topics within some seconds. What other nodes say of a
// client is not passed on: nodes that it talks to would keep it alive among themselves. One stream
// for each broker, opened when it is needed and again when it is lost, then with everything.
// Thread-safe; works on the timers' thread.
class ClientRelay {
 public:
  struct Environment {
    const Directory* directory = nullptr;
    const ClientRegistry* clients = nullptr;
    rpc::Client* peers = nullptr;
    TimerQueue* timers = nullptr;
  };
  // `node`: how this one names itself. All borrowed.
  ClientRelay(std::string node, Environment environment);
  ~ClientRelay();

  // With the cluster's secret, which every link proves to have; empty: none. What was told before
  // is passed on now: calls may have waited for this node to be ready.
  void Start(std::string cluster_secret = {});
  // Before `peers` are stopped, which waits for what they still tell this object. Idempotent.
  void Stop();

  // The registry knows something new of a client.
  void Changed(std::string_view client_id);
  // It has asked for its assignments: it consumes `topic`, which its settings may not say.
  void Subscribed(std::string_view client_id, std::string_view topic);
  // It has said goodbye, and the registry has forgotten it.
  void Terminated(std::string_view client_id);

 private:
  class Link;
  class LinkEvents;
  // What one broker knows of a client.
  struct Told {
    uint64_t link = 0;  // the stream it was told on
    uint64_t description = 0;
    absl::Duration last_seen;
  };
  struct Relayed {
    std::vector<std::string> assigned;
    std::map<std::string, Told> brokers;
  };
  struct Hint {
    std::vector<std::string> subscribed;
    bool terminated = false;
  };
  using Updates = std::map<std::string, v1::RelayUpdate>;  // by broker

  void Note(std::string_view client_id, Hint hint);
  void Tick();
  // Looks at clients that have changed, some at a time.
  void LookAtChanged();
  // Looks at the next few of all that are relayed; again soon, while there is much to be told and
  // it is taken, as after a link was lost.
  void LookAround();
  void Look(const std::string& client_id, const Hint& hint, Updates& updates)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Every link says its update; a stream that does not keep up is told nothing new until it does.
  // Returns whether one that keeps up has more to say.
  bool Send(Updates updates) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The stream to a broker, opened if need be; null while it cannot be.
  Link* LinkTo(const std::string& broker) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnCommand(const v1::RelayCommand& command);
  void ReadOn(const std::string& broker, uint64_t number);
  void OnLinkEnd(const std::string& broker, uint64_t number, const absl::Status& why);

  const std::string node_;
  const Environment environment_;

  Mutex hints_mutex_;  // of what callers leave; held for moments
  StringMap<Hint> hints_ ABSL_GUARDED_BY(hints_mutex_);
  bool look_scheduled_ ABSL_GUARDED_BY(hints_mutex_) = false;
  bool running_ ABSL_GUARDED_BY(hints_mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(hints_mutex_) = false;

  Mutex mutex_;
  absl::btree_map<std::string, Relayed> relayed_ ABSL_GUARDED_BY(mutex_);  // by client id
  std::string looked_at_ ABSL_GUARDED_BY(mutex_);  // where LookAround stands
  std::map<std::string, std::unique_ptr<Link>> links_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_link_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool round_scheduled_ ABSL_GUARDED_BY(mutex_) = false;  // beside the ticks
  std::string cluster_secret_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CLIENT_RELAY_H_
