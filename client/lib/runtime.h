#ifndef MANSIO_CLIENT_LIB_RUNTIME_H_
#define MANSIO_CLIENT_LIB_RUNTIME_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "apache/rocketmq/v2/definition.pb.h"
#include "client/lib/client_options.h"
#include "client/lib/message_id.h"
#include "client/lib/routes.h"
#include "client/lib/session.h"
#include "common/names/string_map.h"
#include "common/sync/sync.h"

namespace mansio::client {

// What producer and consumer share: the rpc threads, a session with every node they talk to, the
// heartbeats (each 10 s), and the route cache (refreshed each 30 s; a route that cannot be
// refreshed stays, so that a client goes on while the nameservers are gone). A session ends when
// its node answers no heartbeat and is in no route. Thread-safe.
class Runtime {
 public:
  struct Role {
    std::function<std::string()> settings;  // as for Session; called on rpc threads too
    std::string heartbeat;                  // an encoded HeartbeatRequest
    std::string termination;                // an encoded NotifyClientTerminationRequest
    Session::OnCheck on_check;              // producers with a transaction checker
  };
  struct Intervals {
    absl::Duration heartbeat = absl::Seconds(10);
    absl::Duration route = absl::Seconds(30);
  };
  using RouteDone = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<const Route>>)>;

  // Opens a session with the access point and waits for its answer to the settings, at most the
  // request timeout. kInvalidArgument for a malformed endpoint; kUnavailable or kDeadlineExceeded,
  // naming it, when nobody answers.
  static absl::StatusOr<std::unique_ptr<Runtime>> Start(ClientOptions options, Role role,
                                                        const Intervals& intervals);
  static absl::StatusOr<std::unique_ptr<Runtime>> Start(ClientOptions options, Role role) {
    return Start(std::move(options), std::move(role), Intervals());
  }

  // Close.
  ~Runtime();

  // Tells the nodes that this client ends and stops everything; calls under way end with
  // kCancelled. Not from a callback. Idempotent.
  void Close();

  const ClientOptions& options() const { return options_; }
  Transport& transport() { return *transport_; }
  std::string NextMessageId() { return ids_.Next(); }

  // The session with `endpoint`, opened now if there is none.
  std::shared_ptr<Session> SessionWith(const std::string& endpoint);
  // Sends the settings over all sessions, after they have changed.
  void SendSettings();
  bool IsIsolated(const std::string& endpoint) const;
  // The endpoints that there is a session with, the access point's included.
  std::vector<std::string> Nodes() const;

  // The queues of `topic`, from the cache or from a node. `done` runs at once or on an rpc thread.
  void FindRoute(const std::string& topic, RouteDone done);
  // Takes `topic` out of the cache, because a broker of its route does not know it (any more).
  void ForgetRoute(const std::string& topic);

 private:
  Runtime(ClientOptions options, Role role, const Intervals& intervals);

  void ScheduleHeartbeat();
  void SendHeartbeats();
  void ScheduleRefresh();
  void RefreshRoutes();
  void EndSessionsWithNodesGone();
  // Asks the nodes in turn, beginning with `nodes[index]`, until one can be reached.
  void QueryRoute(const std::string& topic, std::vector<std::shared_ptr<Session>> nodes,
                  size_t index, RouteDone done);
  std::vector<std::shared_ptr<Session>> Sessions() const;

  const ClientOptions options_;
  const Role role_;
  const Intervals intervals_;
  MessageIdGenerator ids_;
  const std::unique_ptr<Transport> transport_;
  const std::string client_id_;
  std::shared_ptr<Session> access_point_;  // set once in Start

  mutable Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  StringMap<std::shared_ptr<Session>> sessions_ ABSL_GUARDED_BY(mutex_);
  StringMap<std::shared_ptr<const Route>> routes_ ABSL_GUARDED_BY(mutex_);
};

// Sets the heartbeat and the termination of a consumer of `group`.
void AnnounceGroup(apache::rocketmq::v2::ClientType type, const std::string& group,
                   Runtime::Role* role);

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_RUNTIME_H_
