#ifndef MANSIO_COMMON_RPC_REFLECTION_H_
#define MANSIO_COMMON_RPC_REFLECTION_H_

#include "common/rpc/call.h"

namespace mansio::rpc {

// Adds the gRPC server reflection protocol in both of its versions, grpc.reflection.v1 and v1alpha,
// so that tools such as grpcurl need no .proto files: it names the services of `methods`, its own
// included, and gives the descriptors that are linked into the program. Call it last.
void AddReflectionService(MethodTable& methods);

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_REFLECTION_H_
