#include "common/names/utf8.h"

#include <fmt/format.h>

#include <iterator>

namespace mansio {
namespace {

bool IsControl(char32_t c) { return c <= 0x1f || (c >= 0x7f && c <= 0x9f); }

// Line separators and direction overrides: legal text that can falsify how a log line looks.
bool IsMisleading(char32_t c) {
  return c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// java.lang.Character.isWhitespace: separators except the no-break spaces, and some controls.
bool IsWhitespace(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a && c != 0x2007) || c == 0x2028 || c == 0x2029 || c == 0x205f ||
         c == 0x3000;
}

std::string Escaped(char32_t c) {
  switch (c) {
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\\':
      return "\\\\";
    default:
      return c < 0x80 ? fmt::format("\\x{:02x}", static_cast<uint32_t>(c))
                      : fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
  }
}

}  // namespace

CodePoint FirstCodePoint(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  // Length by the lead byte, and the smallest value that needs this length.
  size_t length = 0;
  char32_t value = 0;
  char32_t minimum = 0;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2, value = lead & 0x1f, minimum = 0x80;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3, value = lead & 0x0f, minimum = 0x800;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4, value = lead & 0x07, minimum = 0x10000;
  }
  if (length == 0 || text.size() < length) return {};
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3f);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < minimum || value > 0x10ffff || surrogate) return {};
  return {value, length};
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (c.length == 0) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

std::string SanitizeUtf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (c.length == 0) {
      result.append("\xef\xbf\xbd");
      text.remove_prefix(1);
    } else {
      result.append(text.substr(0, c.length));
      text.remove_prefix(c.length);
    }
  }
  return result;
}

bool HasControlCharacter(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (c.length == 0 || IsControl(c.value)) return true;
    text.remove_prefix(c.length);
  }
  return false;
}

bool IsBlank(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    if (c.length == 0 || !IsWhitespace(c.value)) return false;
    text.remove_prefix(c.length);
  }
  return true;
}

std::string EscapeForLog(std::string_view text, size_t max_bytes) {
  const size_t original = text.size();
  std::string result;
  while (!text.empty()) {
    const CodePoint c = FirstCodePoint(text);
    std::string piece;
    if (c.length == 0) {
      piece = fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    } else if (IsControl(c.value) || IsMisleading(c.value) || c.value == '\\') {
      piece = Escaped(c.value);
    } else {
      piece = text.substr(0, c.length);
    }
    if (result.size() + piece.size() > max_bytes) {
      fmt::format_to(std::back_inserter(result), "...({} bytes)", original);
      break;
    }
    result += piece;
    text.remove_prefix(c.length == 0 ? 1 : c.length);
  }
  return result;
}

}  // namespace mansio
