#ifndef MANSIO_COMMON_GATEWAY_CLIENT_REGISTRY_H_
#define MANSIO_COMMON_GATEWAY_CLIENT_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "common/gateway/client_info.h"
#include "common/gateway/description_budget.h"
#include "common/names/string_map.h"
#include "common/rpc/call.h"

namespace mansio {
class Clock;
}

namespace mansio::gateway {

// Told what becomes of clients; called without the registry's lock, from the thread that found it
// out.
class ClientObserver {
 public:
  virtual ~ClientObserver() = default;
  // A consumer of `group` says (settings, heartbeat, assignment) that it consumes `topics`. Cheap
  // calls: may come many times with the same values.
  virtual void OnSubscription(std::string_view client_id, std::string_view group,
                              const std::vector<std::string>& topics) = 0;
  // The client is dead: terminated, silent for 120 s, or without any connection for 35 s.
  virtual void OnClientDead(const ClientInfo& client) = 0;
  // One of its streams has closed, here or at another node, or that node is out of reach: what was
  // on its way to the client may never come, and the client may live on.
  virtual void OnStreamLost(std::string_view client_id) = 0;
};

// The clients of this node and when they are alive (design section 6): while any RPC or heartbeat
// under the client id came within 120 s; dead at termination, after that silence, or when the last
// of its streams has been closed and nothing was heard for 35 s (of a client that never opened a
// stream only the silence tells). Thread-safe. The number of clients is bounded.
class ClientRegistry {
 public:
  struct Options {
    size_t max_clients = 50000;
    absl::Duration silence = absl::Seconds(120);
    absl::Duration disconnected = absl::Seconds(35);
  };
  ClientRegistry(Options options, const Clock* clock);
  ~ClientRegistry();

  // Borrowed; set before the server starts.
  void SetObserver(ClientObserver* observer);

  // A call came under this id; creates an entry of unknown role if needed. Hot: one look-up.
  // TOO_MANY_REQUESTS (wire status) when a new client would pass the limit.
  absl::Status Touch(std::string_view client_id);
  // Settings or heartbeat told what it is. Later calls replace role, group and topics.
  // TOO_MANY_REQUESTS when all clients together name more topics than max_clients * 4 KiB
  // (1 MiB at least).
  absl::Status Describe(std::string_view client_id, ClientRole role, std::string_view group,
                        std::vector<std::string> topics, std::string_view language,
                        std::string_view version, std::string_view peer);
  // A telemetry stream of the client opened or closed. Several per client are kept, the newest is
  // used; closing an older one changes nothing else (RocketMQ 5 API).
  absl::Status StreamOpened(std::string_view client_id, std::shared_ptr<rpc::BidiCall> stream);
  void StreamClosed(std::string_view client_id, const rpc::BidiCall* stream);

  // Another node, on `link`, tells what it knows of a client, instead of what it told before; its
  // `stream` there leads through the link (null: it has none) and is used only where there is no
  // other. A sign of life. What nodes tell is merged, and what the client says here goes before.
  // Refused as Describe.
  absl::Status Relay(const void* link, ClientInfo client, std::shared_ptr<rpc::BidiCall> stream);
  // It lives, says a node that told of it.
  void RelayAlive(std::string_view client_id);
  // The node has nothing to do with it any more, or the link is lost.
  void RelayGone(const void* link, std::string_view client_id);

  // The client said goodbye. Idempotent.
  void Terminate(std::string_view client_id);
  // Finds clients that have become dead; run once a second.
  void ExpireSilent();

  // By ClientHash. Unknown clients are not alive.
  bool IsAlive(uint64_t client_hash) const;
  // A living client as it was last described.
  std::optional<ClientInfo> Find(std::string_view client_id) const;
  // The same by its ClientHash.
  std::optional<ClientInfo> FindByHash(uint64_t client_hash) const;
  // Where to push a command to a living client; null when it has no stream open.
  std::shared_ptr<rpc::BidiCall> NewestStream(std::string_view client_id) const;
  // The same by what was heard here only, as other nodes may be told: nothing of a client that is
  // alive by the word of others alone.
  std::optional<ClientInfo> FindHere(std::string_view client_id) const;
  std::shared_ptr<rpc::BidiCall> NewestStreamHere(std::string_view client_id) const;
  // The client publishes to `topic`, which its settings may not say yet (RocketMQ 5 API). Kept
  // until it is dead, whatever settings come. Refused as Describe.
  absl::Status NotePublished(std::string_view client_id, std::string_view topic);
  // Where to push commands to living producers: for each of `topics` that has some, the newest
  // stream of each, ordered by client id.
  StringMap<std::vector<std::shared_ptr<rpc::BidiCall>>> ProducerStreams(
      const StringSet& topics) const;
  // How long nothing was heard of a client that was looked up just now.
  absl::Duration SilenceOf(const ClientInfo& client) const;
  // The living clients (of a group, when it is not empty) ordered by id: those with ids behind
  // `after`, `limit` of them at most. Looks at all, whatever the limit.
  std::vector<ClientInfo> List(std::string_view group, std::string_view after = "",
                               size_t limit = std::numeric_limits<size_t>::max()) const;
  // Calls `visit` with each living client, under a lock that calls of some of the others wait for.
  void ForEach(absl::FunctionRef<void(const ClientInfo&)> visit) const;
  // How many count towards the limit.
  size_t size() const;
  const Options& options() const;

 private:
  // Shards keep rpc threads and the expiry scan out of each other's way.
  struct Shard;

  Shard& ShardOf(uint64_t hash) const;
  // Runs `change(client)` on the live entry of the client, created or revived if needed, and
  // returns its status. `here`: the client itself gave a sign of life; else another node says so.
  template <typename Change>
  absl::Status Update(std::string_view id, bool here, Change change);
  // Runs `close(client, now)`, which takes a stream from the client and returns it.
  template <typename Close>
  void CloseStream(std::string_view id, Close close);
  // Runs `read(client)` on a living client.
  template <typename Read>
  void ReadOne(uint64_t hash, Read read) const;
  // The same on all of them, a shard at a time.
  template <typename Read>
  void ReadAll(Read read) const;
  void Tell(const ClientInfo& lost);

  const Options options_;
  const Clock* const clock_;
  ClientObserver* observer_ = nullptr;
  DescriptionBudget descriptions_;
  std::atomic<size_t> count_{0};
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CLIENT_REGISTRY_H_
