#include "broker/core/token.h"

#include "absl/strings/escaping.h"

namespace mansio::broker {

std::string TokenText(std::string_view bytes) {
  return absl::WebSafeBase64Escape(absl::string_view(bytes.data(), bytes.size()));
}

std::optional<std::string> TokenBytes(std::string_view text, size_t max_text) {
  std::string bytes;
  if (text.size() > max_text ||
      !absl::WebSafeBase64Unescape(absl::string_view(text.data(), text.size()), &bytes)) {
    return std::nullopt;
  }
  // The decoder passes over blanks, padding and the unused bits of the last character.
  if (TokenText(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace mansio::broker
