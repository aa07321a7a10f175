#include "common/crc/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace mansio {
namespace crc_internal {
namespace {

constexpr uint32_t kReversedPolynomial = 0x82f63b78;

// tables[k][b]: the effect of byte b followed by k zero bytes ("slicing by eight").
using Tables = std::array<std::array<uint32_t, 256>, 8>;

constexpr Tables MakeTables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    }
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

uint32_t ExtendPortable(uint32_t crc, std::string_view data) {
  crc = ~crc;
  if constexpr (std::endian::native == std::endian::little) {
    while (data.size() >= 8) {
      uint64_t word;
      std::memcpy(&word, data.data(), 8);
      word ^= crc;
      crc = 0;
      for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 0xff];
      data.remove_prefix(8);
    }
  }
  for (const char c : data) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

}  // namespace crc_internal

uint32_t ExtendCrc32c(uint32_t crc, std::string_view data) {
#if defined(__SSE4_2__)
  uint64_t state = static_cast<uint32_t>(~crc);
  while (data.size() >= 8) {
    uint64_t word;
    std::memcpy(&word, data.data(), 8);
    state = _mm_crc32_u64(state, word);
    data.remove_prefix(8);
  }
  auto rest = static_cast<uint32_t>(state);
  for (const char c : data) rest = _mm_crc32_u8(rest, static_cast<uint8_t>(c));
  return ~rest;
#else
  return crc_internal::ExtendPortable(crc, data);
#endif
}

uint32_t Crc32c(std::string_view data) { return ExtendCrc32c(0, data); }

}  // namespace mansio
