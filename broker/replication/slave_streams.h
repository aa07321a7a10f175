#ifndef MANSIO_BROKER_REPLICATION_SLAVE_STREAMS_H_
#define MANSIO_BROKER_REPLICATION_SLAVE_STREAMS_H_

#include <functional>
#include <string>

#include "broker/replication/wire.h"
#include "common/rpc/call.h"

namespace mansio::broker {

// The replication stream on the public port, in front of `streams`, which must outlive the server.
// `wake` is called when one of them has been told something.
rpc::MethodTable::Bidi ServeSlaves(SlaveStreams* streams, std::function<void()> wake);
// The same of a broker that takes no slaves, and ends each stream for this reason.
rpc::MethodTable::Bidi RefuseSlaves(std::string why);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_SLAVE_STREAMS_H_
