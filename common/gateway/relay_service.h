#ifndef MANSIO_COMMON_GATEWAY_RELAY_SERVICE_H_
#define MANSIO_COMMON_GATEWAY_RELAY_SERVICE_H_

#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

// The broker's side of the relay streams (mansio/v1/relay.proto): enters other nodes' clients in
// this one's registry as relayed ones, with streams that lead through the node.
// Thread-safe.
class RelayService {
 public:
  // Borrowed; must outlive the server, as this object must. `observer` may be null.
  RelayService(ClientRegistry* clients, ClientObserver* observer)
      : clients_(clients), observer_(observer) {}

  void Register(rpc::MethodTable& methods);

 private:
  class RelayedStream;
  class Stream;

  ClientRegistry* const clients_;
  ClientObserver* const observer_;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_RELAY_SERVICE_H_
