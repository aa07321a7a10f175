#ifndef MANSIO_BROKER_DELAY_PLACE_SET_H_
#define MANSIO_BROKER_DELAY_PLACE_SET_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/container/btree_map.h"

namespace mansio::broker {

// An ordered set of places of timers (TimerKey::place). Neighbours in a queue share a bit map of
// 256 places, so that a million pending timers take some hundred KiB, and those that are restored
// in the order of their due times are entered quickly. Not thread-safe.
class PlaceSet {
 public:
  void Insert(uint64_t place);
  // Nothing happens when it is not there.
  void Erase(uint64_t place);
  // The smallest place that is not before `from`; nullopt when there is none.
  std::optional<uint64_t> FirstFrom(uint64_t from) const;
  void Clear() { blocks_.clear(); }

 private:
  using Block = std::array<uint64_t, 4>;

  absl::btree_map<uint64_t, Block> blocks_;  // by place / 256; none is empty
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_PLACE_SET_H_
