#ifndef MANSIO_COMMON_NAMES_UTF8_H_
#define MANSIO_COMMON_NAMES_UTF8_H_

// Text that comes from clients: is it UTF-8, is it printable, and how to show it safely.
// Every function is pure and thread safe.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mansio {

// One code point at the start of `text`: its value and its length in bytes. Length 0 means that
// `text` is empty or does not start with well-formed UTF-8 (RFC 3629: no surrogates, no overlong
// forms, nothing above U+10FFFF).
struct CodePoint {
  char32_t value = 0;
  size_t length = 0;
};
CodePoint FirstCodePoint(std::string_view text);

bool IsValidUtf8(std::string_view text);

// `text` with each byte that is not part of well-formed UTF-8 replaced by U+FFFD. A protobuf string
// must pass through this when it stems from bytes: SDKs fail to parse anything else.
std::string SanitizeUtf8(std::string_view text);

// True when `text` contains one of U+0000–001F and U+007F–009F (RocketMQ 5 API). Bytes that are
// not UTF-8 count as control characters, since no client can mean them.
bool HasControlCharacter(std::string_view text);

// True when `text` is empty or consists of white space only, as Java's String.isBlank sees it.
bool IsBlank(std::string_view text);

// `text` in a form that stays on one line and cannot disturb a terminal: control characters,
// backslashes, direction overrides and malformed bytes are written as escapes (\n, \x1b, \u202e).
// What would go beyond `max_bytes` of output is cut and replaced by the original length.
std::string EscapeForLog(std::string_view text, size_t max_bytes = 128);

}  // namespace mansio

#endif  // MANSIO_COMMON_NAMES_UTF8_H_
