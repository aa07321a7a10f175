#ifndef MANSIO_NAMESERVER_NAMESERVER_METRICS_H_
#define MANSIO_NAMESERVER_NAMESERVER_METRICS_H_

#include "common/gateway/client_registry.h"
#include "common/metrics/exposition.h"
#include "nameserver/routing_table.h"

namespace mansio::nameserver {

// Adds what a nameserver knows: the brokers that are registered, and clients. Its calls and its
// process are added by common/metrics.
void AddNameserver(metrics::Exposition& page, const RoutingTable& table,
                   const gateway::ClientRegistry& clients, size_t clients_limit);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_NAMESERVER_METRICS_H_
