#ifndef MANSIO_CLIENT_BENCH_TARGET_H_
#define MANSIO_CLIENT_BENCH_TARGET_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/client_options.h"
#include "client/lib/message_id.h"
#include "client/lib/routes.h"
#include "client/lib/session.h"
#include "client/lib/transport.h"

namespace mansio::bench {

enum class TopicKind { kNormal, kDelay, kTransaction };

struct TargetOptions {
  client::ClientOptions client;
  std::string topic = "bench";
  int queues = 8;                       // of the topic on each broker, if it has to be made
  TopicKind kind = TopicKind::kNormal;  // of the topic, if it has to be made
  std::string group;          // consumers: made if missing, starting at the oldest message
  bool start_latest = false;  // … or at the newest
  int connections = 1;        // in all; at least one for each broker is made
  int threads = 1;            // rpc threads
};

// A topic under load: its brokers and the connections to them. Thread-safe.
class Target {
 public:
  // One connection, and the queue that a receive over it names.
  struct Link {
    std::shared_ptr<client::Connection> connection;
    client::RouteQueue queue;
  };

  // Looks the topic up at the access point, makes it (and the group) when it is missing and the
  // server has Mansio's admin interface, connects, and announces a client on every broker. Errors
  // name what could not be reached or made. `on_check` is told of the brokers' questions about
  // transactions; it may be empty.
  static absl::StatusOr<std::unique_ptr<Target>> Connect(const TargetOptions& options,
                                                         client::Session::OnCheck on_check = {});

  // Link number `i`, going around; neighbours belong to different brokers.
  const Link& link(size_t i) const { return links_[i % links_.size()]; }
  client::Transport& transport() { return *transport_; }
  std::string NextMessageId() { return ids_.Next(); }

  // Says goodbye to the brokers and ends what is under way.
  ~Target();

 private:
  explicit Target(const TargetOptions& options);
  void Leave();

  const TargetOptions options_;
  const client::Headers headers_;
  client::MessageIdGenerator ids_;
  const std::unique_ptr<client::Transport> transport_;
  std::vector<std::shared_ptr<client::Session>> sessions_;
  std::vector<Link> links_;
};

// The target with a new consumer group, which starts at the newest message; and its end. Servers
// without Mansio's admin interface keep the group.
TargetOptions WithGroupOfRun(TargetOptions options);
void DeleteGroup(const TargetOptions& options);

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_TARGET_H_
