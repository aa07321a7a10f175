#ifndef MANSIO_BROKER_SERVER_SLAVE_GATE_H_
#define MANSIO_BROKER_SERVER_SLAVE_GATE_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "broker/server/held_receives.h"
#include "common/gateway/call_target.h"
#include "common/rpc/call.h"

namespace mansio::broker {

// What a slave does with the calls that its group must serve (design section 9). While the master
// is there, the forwarder passes them on to it. Else the slave reads for itself, up to what is
// committed, holds receives, which find nothing, and leaves the rest to the forwarder, which finds
// nobody: SDKs try again. Thread-safe.
class SlaveGate {
 public:
  // `broker`: the group's name. `has_master`: hot, from any thread. Borrowed; must outlive the
  // server.
  SlaveGate(std::string broker, HeldReceives* held, std::function<bool()> has_master);

  // Keeps the methods that `methods` has and that a slave can serve; before the forwarder is
  // installed.
  void KeepReads(const rpc::MethodTable& methods);
  // Puts itself in front of the forwarder.
  void Install(rpc::MethodTable& methods);

 private:
  // Whether the call is for this group and nobody but this slave can answer it.
  bool IsAlone(const gateway::OwnedMethod& method, std::string_view request) const;

  const std::string broker_;
  HeldReceives* const held_;
  const std::function<bool()> has_master_;
  absl::flat_hash_map<std::string, rpc::UnaryHandler> unary_reads_;
  absl::flat_hash_map<std::string, rpc::ServerStreamHandler> stream_reads_;
};

// Whether a method reads by offset, which any member of a group can serve.
bool IsReadByOffset(std::string_view method);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_SLAVE_GATE_H_
