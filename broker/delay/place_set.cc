#include "broker/delay/place_set.h"

#include <bit>

namespace mansio::broker {

namespace {

constexpr uint64_t kBlockPlaces = 256;
constexpr uint64_t kWordPlaces = 64;

uint64_t BitOf(uint64_t place) { return uint64_t{1} << place % kWordPlaces; }
size_t WordOf(uint64_t place) { return place % kBlockPlaces / kWordPlaces; }

}  // namespace

void PlaceSet::Insert(uint64_t place) {
  blocks_[place / kBlockPlaces][WordOf(place)] |= BitOf(place);
}

void PlaceSet::Erase(uint64_t place) {
  const auto block = blocks_.find(place / kBlockPlaces);
  if (block == blocks_.end()) return;
  block->second[WordOf(place)] &= ~BitOf(place);
  if (block->second == Block{}) blocks_.erase(block);
}

std::optional<uint64_t> PlaceSet::FirstFrom(uint64_t from) const {
  auto block = blocks_.lower_bound(from / kBlockPlaces);
  for (; block != blocks_.end(); ++block) {
    const uint64_t first = block->first * kBlockPlaces;
    const uint64_t start = from > first ? from - first : 0;
    for (size_t word = WordOf(start); word < block->second.size(); ++word) {
      uint64_t bits = block->second[word];
      // Of the word that `from` is in, what lies before it does not count.
      if (word == WordOf(start)) bits &= ~uint64_t{0} << start % kWordPlaces;
      if (bits != 0) {
        return first + word * kWordPlaces + static_cast<uint64_t>(std::countr_zero(bits));
      }
    }
  }
  return std::nullopt;
}

}  // namespace mansio::broker
