#ifndef MANSIO_COMMON_GATEWAY_ADMIN_GATEWAY_H_
#define MANSIO_COMMON_GATEWAY_ADMIN_GATEWAY_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/gateway/broker_answers.h"
#include "common/gateway/directory.h"
#include "common/rpc/call.h"
#include "common/rpc/client.h"

namespace mansio {
class TimerQueue;
}

namespace mansio::gateway {

// mansio.v1.Admin on any node (design section 2): what changes or describes something is passed on
// to every master at the same time, this node among them where it is one, and each one's result is
// reported; what names its broker goes to that one. A change is answered when this node's routes
// show it, so that the next call finds it. A call that another node has passed on is for this node
// alone. Thread-safe.
class AdminGateway {
 public:
  struct Options {
    std::string node;            // how it names itself to the brokers
    std::string cluster_secret;  // proves to them that it may ask; "" when there is none
    absl::Duration broker_deadline = absl::Seconds(5);  // for the brokers' answers
    absl::Duration routes_deadline = absl::Seconds(2);  // for a change to arrive in the routes
    size_t max_commands = 256;                          // under way at a time
    bool spread_lists = true;  // false: this node answers lists from its own tables
  };
  // All borrowed; must outlive the server.
  struct Environment {
    const Directory* directory = nullptr;
    rpc::Client* peers = nullptr;
    TimerQueue* timers = nullptr;
  };
  AdminGateway(Options options, Environment environment)
      : options_(std::move(options)), environment_(environment) {}

  // Puts itself in front of the admin methods; those that `methods` has are this node's own. Once,
  // and after all of them were added. Lists that a nameserver answers from its table are left to
  // it.
  void Install(rpc::MethodTable& methods);

 private:
  struct RawAnswer {
    std::string broker;
    absl::StatusOr<rpc::Payload> response;
  };
  using AllAnswered = absl::AnyInvocable<void(std::vector<RawAnswer>)>;
  // Whether this node's routes show a change.
  using Shown = std::function<bool()>;
  struct Gathering;

  // Makes one response of the brokers' answers; its status and results are filled in afterwards.
  template <typename Request, typename Response>
  using Merge = std::function<Response(const Request&, const Answers<Response>&)>;
  // The condition that is waited for after these brokers have done it.
  template <typename Request>
  using ShownBy = std::function<Shown(const Request&, std::vector<std::string> brokers)>;

  // Adds one method.
  template <typename Request, typename Response>
  void Spread(rpc::MethodTable& methods, const char* name, Merge<Request, Response> merge,
              ShownBy<Request> shown = nullptr);
  template <typename Request, typename Response>
  void Spread(rpc::MethodTable& methods, const char* name,
              Response (*merge)(const Answers<Response>&));
  // The same for a request that names the one broker that it is for.
  template <typename Request, typename Response, typename BrokerOf>
  void PassToOne(rpc::MethodTable& methods, const char* name, BrokerOf broker_of);
  // Puts `serve(call, request, local)` in front of a method.
  template <typename Request, typename Serve>
  void PutInFront(rpc::MethodTable& methods, const char* name, Serve serve);

  void InstallTopics(rpc::MethodTable& methods);
  void InstallGroups(rpc::MethodTable& methods);
  void InstallDeadLetters(rpc::MethodTable& methods);
  void InstallMessages(rpc::MethodTable& methods);
  void InstallLists(rpc::MethodTable& methods);

  // Asks these brokers at the same time; `local` serves for this node.
  void Ask(rpc::UnaryCall& call, const std::string& path, const std::vector<Master>& brokers,
           const std::string& request, const rpc::UnaryHandler& local, AllAnswered done);
  // Calls `done` when the routes show a change, or when that takes too long.
  void AwaitShown(Shown shown, absl::Time until, std::function<void()> done);
  Shown TopicShown(const std::string& topic, std::vector<std::string> brokers, bool present) const;
  Shown GroupShown(const std::string& group, std::vector<std::string> brokers, bool present) const;
  bool IsForThisNodeAlone(const rpc::Call& call) const;

  const Options options_;
  const Environment environment_;
  std::atomic<size_t> commands_{0};
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_ADMIN_GATEWAY_H_
