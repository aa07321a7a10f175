#ifndef MANSIO_STORE_CHECKPOINT_ENCODING_H_
#define MANSIO_STORE_CHECKPOINT_ENCODING_H_

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

// Numbers in keys and values. Keys are big-endian, so that memcmp orders them as numbers; values
// are little-endian as everything in the log.
namespace mansio::store {

template <std::integral T>
void PutLittle(std::string& out, T value) {
  auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>(bits & 0xff));
    bits = static_cast<decltype(bits)>(bits >> 4 >> 4);
  }
}

template <std::integral T>
void PutBig(std::string& out, T value) {
  const auto bits = static_cast<std::make_unsigned_t<T>>(value);
  for (size_t i = sizeof(T); i-- > 0;) out.push_back(static_cast<char>((bits >> (8 * i)) & 0xff));
}

// `bytes` must hold at least `at` + sizeof(T).
template <std::integral T>
T GetLittle(std::string_view bytes, size_t at = 0) {
  std::make_unsigned_t<T> bits = 0;
  for (size_t i = sizeof(T); i-- > 0;) {
    bits =
        static_cast<decltype(bits)>((bits << 4 << 4) | static_cast<unsigned char>(bytes[at + i]));
  }
  return static_cast<T>(bits);
}

template <std::integral T>
T GetBig(std::string_view bytes, size_t at = 0) {
  std::make_unsigned_t<T> bits = 0;
  for (size_t i = 0; i < sizeof(T); ++i) {
    bits =
        static_cast<decltype(bits)>((bits << 4 << 4) | static_cast<unsigned char>(bytes[at + i]));
  }
  return static_cast<T>(bits);
}

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_ENCODING_H_
