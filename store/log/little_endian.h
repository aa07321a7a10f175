#ifndef MANSIO_STORE_LOG_LITTLE_ENDIAN_H_
#define MANSIO_STORE_LOG_LITTLE_ENDIAN_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

// Numbers in the formats on disk: little-endian at any alignment, and LEB128 varints.
namespace mansio::store {

static_assert(std::endian::native == std::endian::little, "the formats on disk are little-endian");

template <typename T>
T LoadLittle(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// Returns the byte behind what was written; likewise below.
template <typename T>
char* StoreLittle(T value, char* to) {
  std::memcpy(to, &value, sizeof value);
  return to + sizeof value;
}

constexpr size_t VarintBytes(uint32_t value) {
  size_t bytes = 1;
  for (; value >= 0x80; value >>= 7) ++bytes;
  return bytes;
}

inline char* StoreVarint(uint32_t value, char* to) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<char>(value | 0x80);
  *to++ = static_cast<char>(value);
  return to;
}

// Takes a varint from the front of `bytes`. False when it is cut off or does not fit 32 bits.
inline bool TakeVarint(std::string_view& bytes, uint32_t* value) {
  uint64_t result = 0;
  for (size_t i = 0; i < bytes.size() && i < 5; ++i) {
    const uint8_t byte = static_cast<uint8_t>(bytes[i]);
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      if (result > UINT32_MAX) return false;
      bytes.remove_prefix(i + 1);
      *value = static_cast<uint32_t>(result);
      return true;
    }
  }
  return false;
}

template <typename T>
bool TakeLittle(std::string_view& bytes, T* value) {
  if (bytes.size() < sizeof(T)) return false;
  *value = LoadLittle<T>(bytes.data());
  bytes.remove_prefix(sizeof(T));
  return true;
}

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_LITTLE_ENDIAN_H_
