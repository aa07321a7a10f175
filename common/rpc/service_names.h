#ifndef MANSIO_COMMON_RPC_SERVICE_NAMES_H_
#define MANSIO_COMMON_RPC_SERVICE_NAMES_H_

#include <set>
#include <string>
#include <string_view>

#include "common/rpc/call.h"

namespace mansio::rpc {

// "package.Service" of "/package.Service/Method".
inline std::string_view ServiceOf(std::string_view path) {
  return path.substr(1, path.rfind('/') - 1);
}
// "Method" of the same.
inline std::string_view MethodOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// The services of which `methods` has a method.
inline std::set<std::string> ServiceNames(const MethodTable& methods) {
  std::set<std::string> names;
  for (const auto& method : methods.unary) names.emplace(ServiceOf(method.path));
  for (const auto& method : methods.server_stream) names.emplace(ServiceOf(method.path));
  for (const auto& method : methods.bidi) names.emplace(ServiceOf(method.path));
  return names;
}

}  // namespace mansio::rpc

#endif  // MANSIO_COMMON_RPC_SERVICE_NAMES_H_
