#ifndef MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_
#define MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_

#include <string_view>

namespace mansio::gateway {

// The header of a forwarded call: who forwarded it. Such a call is never forwarded again: a broker
// answers a command with it for itself alone.
inline constexpr std::string_view kForwardedBy = "x-mansio-forwarded-by";

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_
