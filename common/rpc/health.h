#ifndef MANSIO_COMMON_RPC_HEALTH_H_
#define MANSIO_COMMON_RPC_HEALTH_H_

#include "common/rpc/call.h"

namespace mansio::rpc {

// Adds the gRPC health checking protocol, grpc.health.v1.Health: Check and Watch answer SERVING for
// the whole server ("") and for every service of which `methods` has a method. gRPC's own
// implementation uses its callback API, whose pollers nap (design section 10). Called by
// Server::Start.
void AddHealthService(MethodTable& methods);

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_HEALTH_H_
