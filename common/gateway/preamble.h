#ifndef MANSIO_COMMON_GATEWAY_PREAMBLE_H_
#define MANSIO_COMMON_GATEWAY_PREAMBLE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/gateway/client_registry.h"
#include "common/rpc/call.h"

// What every handler of the public services does first and last, on nameserver and broker alike.
// Thread-safe: no state of its own.
namespace mansio::gateway {

// Longer client ids are refused; those of the SDKs have about 100 bytes (RocketMQ 5 API).
inline constexpr size_t kMaxClientIdBytes = 1024;

// The client id of a call, valid as long as the call. CLIENT_ID_REQUIRED when the header is missing
// or blank (RocketMQ 5 API), BAD_REQUEST when it is too long. Other headers, the authorization too
// (Python always sends one), are ignored.
absl::StatusOr<std::string_view> ClientId(const rpc::Call& call);

// ClientId, and counts the call as a sign of life. TOO_MANY_REQUESTS for one client too many.
absl::StatusOr<std::string_view> IdentifyClient(const rpc::Call& call, ClientRegistry& clients);

// The encoded response that has nothing but a status. It fits every public method, and the elements
// of ReceiveMessage and PullMessage: their status is field 1 (RocketMQ 5 API). The one exception
// is ChangeLogLevelResponse, which has a text there.
rpc::Payload StatusResponse(const absl::Status& status);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_PREAMBLE_H_
