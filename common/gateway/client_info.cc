#include "common/gateway/client_info.h"

#include <array>

#include "common/hash/siphash.h"

namespace mansio::gateway {

uint64_t ClientHash(std::string_view client_id) {
  constexpr std::array<uint64_t, 2> kKey = {0x4d616e73696f2063, 0x6c69656e74206964};
  return SipHash24(kKey, client_id);
}

}  // namespace mansio::gateway
