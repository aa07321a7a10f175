#ifndef MANSIO_COMMON_ACCESS_ADMIN_GATE_H_
#define MANSIO_COMMON_ACCESS_ADMIN_GATE_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "common/access/cluster_secret.h"
#include "common/access/network_list.h"
#include "common/logging/logging.h"
#include "common/rpc/call.h"

namespace mansio {
class Clock;
}

namespace mansio::access {

// What an admin call does, from the least to the most.
enum class AdminKind {
  kLook,    // names, counts, settings
  kReveal,  // messages, or what lets their holder act on them
  kChange,
};

// Of a method of mansio.v1.Admin or apache.rocketmq.v2.Admin by its name. One that is not known
// here changes something: a new method is protected until it is entered as harmless.
AdminKind KindOf(std::string_view method);

// The one place that decides who may administer, in front of every admin method of a process
//. As long as there is no access control, calls that
// reveal or change something are served to this machine, to the networks of `allow`, and to callers
// that prove to have the cluster's secret. Others get FORBIDDEN with the cure. What changes
// something is written to the log as one line: who, what, with which result. Thread-safe.
class AdminGate {
 public:
  struct Options {
    NetworkList allow;
    std::string secret;  // empty: none
  };
  // `clock` is borrowed.
  AdminGate(Options options, const Clock* clock);

  // Puts itself in front of the admin methods that `methods` has; and, with a secret, in front of
  // mansio.v1.Registration, Relay and Replication, whose callers must prove that they have it
  // wherever they come from. Must outlive the server.
  void Protect(rpc::MethodTable& methods);

  // Whether some other machine may reveal and change, too.
  bool OpenToOthers() const { return !options_.allow.empty() || !options_.secret.empty(); }
  // OK, or a wire status FORBIDDEN.
  absl::Status Admit(const rpc::Call& call, std::string_view path, AdminKind kind);

 private:
  rpc::UnaryHandler Guard(std::string path, rpc::UnaryHandler handler);
  // A method that is answered with a stream; it can only show something.
  rpc::ServerStreamHandler Guard(std::string path, rpc::ServerStreamHandler handler);
  rpc::BidiHandler GuardNodes(std::string path, rpc::BidiHandler handler);

  // One line in ten seconds: strangers can provoke it.
  void WriteRefusal(std::string_view path, std::string_view peer, std::string_view why);

  const Options options_;
  const std::unique_ptr<ProofJudge> judge_;  // null without a secret
  logging::RateLimit refusals_{absl::Seconds(10)};
};

}  // namespace mansio::access

#endif  // MANSIO_COMMON_ACCESS_ADMIN_GATE_H_
