#ifndef MANSIO_COMMON_GATEWAY_GATEWAY_H_
#define MANSIO_COMMON_GATEWAY_GATEWAY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "common/gateway/client_registry.h"
#include "common/gateway/directory.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

class ClientRelay;

struct GatewayOptions {
  int32_t max_body_bytes = 4 * 1024 * 1024;
  int32_t receive_batch = 32;
  absl::Duration long_polling = absl::Seconds(20);
};

// The access point that nameserver and broker share: QueryRoute, QueryAssignment, Telemetry,
// Heartbeat, NotifyClientTermination (RocketMQ 5 API), answered the same by both.
class Gateway {
 public:
  // All borrowed; must outlive the server. `observer` and `relay`, which is told of every client
  // whose brokers should know of it, may be null.
  Gateway(GatewayOptions options, const Directory* directory, ClientRegistry* clients,
          ClientObserver* observer, ClientRelay* relay = nullptr);

  // Adds its methods. This object must outlive the server.
  void Register(rpc::MethodTable& methods);

  // Adds every other public method as NOT_IMPLEMENTED (with whatever shape the method has), with
  // the sentence that `explain(method name)` returns (it runs on rpc threads and should name the
  // method). Left out are methods that `methods` has already, and names in `served`.
  static void RegisterNotServed(rpc::MethodTable& methods, const std::vector<std::string>& served,
                                std::function<std::string(std::string_view method)> explain);

 private:
  GatewayOptions options_;
  const Directory* directory_;
  ClientRegistry* clients_;
  ClientObserver* observer_;
  ClientRelay* relay_;
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_GATEWAY_H_
