#ifndef MANSIO_COMMON_METRICS_RPC_METRICS_H_
#define MANSIO_COMMON_METRICS_RPC_METRICS_H_

#include "common/metrics/exposition.h"
#include "common/rpc/server.h"

namespace mansio::metrics {

// Adds the calls of each method by their outcome, under RocketMQ's name and under ours, and the
// connections.
void AddRpc(Exposition& page, const rpc::Server& server);

}  // namespace mansio::metrics

#endif  // MANSIO_COMMON_METRICS_RPC_METRICS_H_
