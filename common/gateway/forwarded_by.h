#ifndef MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_
#define MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_

#include <string_view>

namespace mansio::gateway {

// The header of a forwarded call: who forwarded it. A broker answers a command with it for itself
// alone, and never forwards such a call again. A slave does once more: it may have been the master
// when the call was on its way to it.
inline constexpr std::string_view kForwardedBy = "x-mansio-forwarded-by";
// Between the two in that case.
inline constexpr std::string_view kForwardedAgainBy = ", then ";

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_FORWARDED_BY_H_
