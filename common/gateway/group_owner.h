#ifndef MANSIO_COMMON_GATEWAY_GROUP_OWNER_H_
#define MANSIO_COMMON_GATEWAY_GROUP_OWNER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mansio::gateway {

// How much a message group belongs to a broker; it is stored by the one with the greatest weight.
// The same on every node, and when a broker is added, groups only move to that one (rendezvous
// hashing; Thaler and Ravishankar, 1998). The jump hash that picks queues needs numbered ones;
// brokers have names. Pure, thread-safe.
uint64_t WeightOf(std::string_view message_group, std::string_view broker);

// The place in `brokers` (not empty) of the one that a message group belongs to; `name_of` gives an
// element's name.
template <typename Brokers, typename NameOf>
size_t BrokerOfGroup(std::string_view message_group, const Brokers& brokers, NameOf name_of) {
  size_t best = 0;
  uint64_t most = 0;
  for (size_t i = 0; i < static_cast<size_t>(brokers.size()); ++i) {
    const uint64_t weight = WeightOf(message_group, name_of(brokers[i]));
    if (i > 0 && weight <= most) continue;
    best = i;
    most = weight;
  }
  return best;
}

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_GROUP_OWNER_H_
