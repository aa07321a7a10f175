#ifndef MANSIO_COMMON_GATEWAY_REFUSAL_H_
#define MANSIO_COMMON_GATEWAY_REFUSAL_H_

#include <string_view>

#include "absl/status/status.h"
#include "common/gateway/call_target.h"
#include "common/rpc/call.h"

namespace mansio::gateway {

// A refusal in the shape that a unary method's answer has. `request` is the call's, which acks are
// answered from. Thread-safe.
rpc::Payload RefusalOf(const OwnedMethod& method, std::string_view request,
                       const absl::Status& status);

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_REFUSAL_H_
