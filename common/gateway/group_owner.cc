#include "common/gateway/group_owner.h"

#include <array>

#include "common/hash/siphash.h"

namespace mansio::gateway {

uint64_t WeightOf(std::string_view message_group, std::string_view broker) {
  const std::array<uint64_t, 2> key = {SipHash24({3, 0}, message_group), 0};
  return SipHash24(key, broker);
}

}  // namespace mansio::gateway
