#ifndef MANSIO_COMMON_GATEWAY_FORWARDER_H_
#define MANSIO_COMMON_GATEWAY_FORWARDER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "common/gateway/call_target.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/directory.h"
#include "common/gateway/forwarded_by.h"
#include "common/rpc/call.h"
#include "common/rpc/client.h"
#include "common/sync/sync.h"

namespace mansio {
class TimerQueue;
}

namespace mansio::gateway {

class ClientRelay;
class SendHolds;

struct ForwarderOptions {
  std::string node;             // how this node names itself in errors and in kForwardedBy
  size_t max_calls = 10'000;    // forwarded at a time
  size_t max_bytes = 64 << 20;  // of their requests, and of answers that wait for their reader
};

// Any node takes any call (design section 2): one that another broker must serve is passed on to it
// as it is, with its deadline, the client's headers and a hop mark, and the answer is passed back;
// the client cannot tell. Streams are passed on element by element, at the pace of their reader.
//
// An owner that cannot be reached is INTERNAL_SERVER_ERROR and one that does not answer in time
// PROXY_TIMEOUT, on which SDKs send elsewhere, respectively acknowledge again (RocketMQ 5 API); a
// receive waits a second with that, since Rust asks again at once. Beyond the limits calls are
// TOO_MANY_REQUESTS. Thread-safe.
class Forwarder {
 public:
  // All borrowed; must outlive the server. `relay` may be null.
  struct Environment {
    const Directory* directory = nullptr;
    ClientRegistry* clients = nullptr;
    rpc::Client* peers = nullptr;
    TimerQueue* timers = nullptr;
    ClientRelay* relay = nullptr;
    SendHolds* holds = nullptr;  // of this node's topics; null: it has none
  };
  Forwarder(ForwarderOptions options, Environment environment);

  // Puts itself in front of the methods that one broker must serve (kOwnedMethods): those that
  // `methods` has are this node's own and go on to serve what is for this node. Once, and after all
  // of them were added.
  void Install(rpc::MethodTable& methods);

  // Ends the pauses of receives; forwarded calls are ended by stopping `peers`. Idempotent.
  void Stop();

  // How many calls are being forwarded.
  size_t calls() const { return calls_.load(std::memory_order_relaxed); }

 private:
  class Ticket;
  struct Owner {
    std::string broker;
    std::string address;
  };

  // Who must serve a call; nullopt: this node.
  absl::StatusOr<std::optional<Owner>> Locate(const rpc::Call& call, const CallTarget& target);
  absl::StatusOr<Owner> Named(const std::string& broker) const;
  absl::StatusOr<Owner> WithTopic(const CallTarget& target);
  // Those of a topic that take sends. Not empty when OK.
  absl::StatusOr<std::vector<BrokerQueues>> Writable(std::string_view topic) const;
  // The broker of a message group, where it is not for any that has the topic.
  absl::StatusOr<std::string> BrokerFor(const CallTarget& target) const;
  // That a batch of several message groups is for one broker.
  absl::Status CheckGroups(const CallTarget& target,
                           const std::vector<std::string_view>& groups) const;

  void Unary(rpc::UnaryCall& call, const OwnedMethod& method, const rpc::UnaryHandler& local);
  void Ack(rpc::UnaryCall& call, const OwnedMethod& method, const rpc::UnaryHandler& local);
  void Stream(rpc::ServerStreamCall& call, const OwnedMethod& method,
              const rpc::ServerStreamHandler& local);
  // Counts the client as alive, which the owner does, too.
  absl::Status Note(const rpc::Call& call, const CallTarget& target);

  using Answer = absl::AnyInvocable<void(absl::StatusOr<rpc::Payload>)>;
  void Forward(const rpc::Call& call, const OwnedMethod& method, const Owner& owner,
               std::string request, Answer answer);
  rpc::OutgoingCall Outgoing(const rpc::Call& call, const OwnedMethod& method,
                             const Owner& owner) const;
  // Ends a stream with nothing but a status, after a pause where the client would ask at once.
  void RefuseStream(rpc::ServerStreamCall& call, const absl::Status& status, bool pause);

  // Runs `refuse` after a pause, at once where the client has no time for that.
  void After(int64_t pause_ms, const rpc::Call& call, absl::AnyInvocable<void()> refuse);

  const ForwarderOptions options_;
  const Environment environment_;
  std::atomic<size_t> calls_{0};
  std::atomic<size_t> bytes_{0};
  std::atomic<uint64_t> turn_{0};  // among brokers with the same topic

  Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t last_pause_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, absl::AnyInvocable<void()>> pauses_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_FORWARDER_H_
