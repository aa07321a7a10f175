#ifndef MANSIO_NAMESERVER_ADMIN_LISTS_H_
#define MANSIO_NAMESERVER_ADMIN_LISTS_H_

#include <functional>
#include <string>

#include "common/rpc/call.h"
#include "common/timer/timer_queue.h"
#include "nameserver/routing_table.h"

namespace mansio::nameserver {

// Adds those methods of mansio.v1.Admin that a nameserver answers from its table, without asking
// brokers: the lists of brokers, topics and groups. `address` is this node's, asked for with every
// call: it is known once the server listens. Lists of topics and groups are made on the thread of
// `background`, which must run until the server has shut down. Borrowed; both outlive the server.
void AddAdminLists(const RoutingTable* table, std::function<std::string()> address,
                   TimerQueue* background, rpc::MethodTable& methods);

}  // namespace mansio::nameserver

#endif  // MANSIO_NAMESERVER_ADMIN_LISTS_H_
