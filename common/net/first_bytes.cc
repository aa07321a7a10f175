#include "common/net/first_bytes.h"

#include <algorithm>

namespace mansio::net {

FirstBytes Classify(std::string_view bytes) {
  constexpr char kTlsHandshake = 0x16;
  constexpr std::string_view kPreface = "PRI";
  if (bytes.empty()) return FirstBytes::kUndecided;
  if (bytes[0] == kTlsHandshake) return FirstBytes::kTls;
  const std::string_view start = bytes.substr(0, kBytesToDecide);
  if (start == kPreface) return FirstBytes::kHttp2;
  if (kPreface.starts_with(start)) return FirstBytes::kUndecided;
  // Every HTTP/1 request begins with a method in capital letters.
  const bool capitals =
      std::all_of(start.begin(), start.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  return capitals ? FirstBytes::kHttp1 : FirstBytes::kUnknown;
}

}  // namespace mansio::net
