#ifndef MANSIO_COMMON_RPC_HEALTH_H_
#define MANSIO_COMMON_RPC_HEALTH_H_

#include <memory>

#include "common/rpc/call.h"

namespace mansio::rpc {

// The gRPC health checking protocol, grpc.health.v1.Health: one status for the whole server ("")
// and for every service of it. gRPC's own implementation uses its callback API, whose pollers nap
// (design section 10). Thread-safe.
class HealthService {
 public:
  HealthService();
  ~HealthService();

  // Adds Check and Watch for the services of which `methods` has a method.
  void Register(MethodTable& methods);
  // SERVING, the status at first, or NOT_SERVING; those that watch are told of a change.
  void SetServing(bool serving);

 private:
  class State;
  const std::shared_ptr<State> state_;  // of the streams, too
};

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_HEALTH_H_
