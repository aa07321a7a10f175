#ifndef MANSIO_COMMON_GATEWAY_TELEMETRY_H_
#define MANSIO_COMMON_GATEWAY_TELEMETRY_H_

#include <memory>

#include "common/gateway/client_registry.h"
#include "common/gateway/directory.h"
#include "common/gateway/gateway.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

// Serves one Telemetry stream (RocketMQ 5 API). It belongs to the client of its x-mq-client-id
// header from the start (Python rebuilds a stream without sending settings), and stays open until
// the client ends it: C# never opens another one. Each settings command is answered with one
// command that has status OK and the merged settings together (Python waits for that). How settings
// are refused:
//  - what validation finds wrong ends the stream with INVALID_ARGUMENT, the code's name first in
//  the
//    text (RocketMQ 5 API);
//  - what is not served, or a limit, is one command with only that status; then the stream ends
//  with OK.
// Other commands from the client are tolerated. The result is used on the stream's rpc thread only.
std::unique_ptr<rpc::BidiEvents> ServeTelemetry(std::shared_ptr<rpc::BidiCall> call,
                                                const GatewayOptions& options,
                                                const Directory& directory, ClientRegistry& clients,
                                                ClientObserver* observer,
                                                ClientRelay* relay = nullptr);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_TELEMETRY_H_
