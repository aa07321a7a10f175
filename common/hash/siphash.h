#ifndef MANSIO_COMMON_HASH_SIPHASH_H_
#define MANSIO_COMMON_HASH_SIPHASH_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace mansio {

// SipHash-2-4 (Aumasson and Bernstein, 2012) of `data` under a 128-bit key: a 64-bit MAC for short
// inputs. Stable on disk and on the wire. Thread-safe.
inline uint64_t SipHash24(const std::array<uint64_t, 2>& key, std::string_view data) {
  uint64_t v0 = 0x736f6d6570736575 ^ key[0];
  uint64_t v1 = 0x646f72616e646f6d ^ key[1];
  uint64_t v2 = 0x6c7967656e657261 ^ key[0];
  uint64_t v3 = 0x7465646279746573 ^ key[1];
  const auto round = [&] {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  };
  uint64_t last = static_cast<uint64_t>(data.size()) << 56;
  for (; data.size() >= 8; data.remove_prefix(8)) {
    uint64_t word;
    std::memcpy(&word, data.data(), 8);
    absorb(word);
  }
  uint64_t tail = 0;
  std::memcpy(&tail, data.data(), data.size());
  absorb(last | tail);
  v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace mansio

#endif  // MANSIO_COMMON_HASH_SIPHASH_H_
