#include "client/command/times.h"

#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"

namespace mansio::command {

std::optional<absl::Duration> ParseSpan(std::string_view text) {
  constexpr int64_t kMostDays = 365'000;
  absl::Duration days;
  if (const size_t d = text.find('d'); d != std::string_view::npos) {
    int64_t count = 0;
    if (!absl::SimpleAtoi(std::string(text.substr(0, d)), &count) || count < 0 ||
        count > kMostDays) {
      return std::nullopt;
    }
    days = absl::Hours(24 * count);
    text.remove_prefix(d + 1);
    if (text.empty()) return days;
  }
  absl::Duration rest;
  if (!absl::ParseDuration(std::string(text), &rest) || rest < absl::ZeroDuration() ||
      rest == absl::InfiniteDuration()) {
    return std::nullopt;
  }
  return days + rest;
}

std::optional<absl::Time> ParseInstant(std::string_view text) {
  absl::Time time;
  for (const char* format : {absl::RFC3339_full, "%Y-%m-%dT%H:%M:%E*S", "%Y-%m-%d %H:%M:%E*S",
                             "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    if (absl::ParseTime(format, std::string(text), absl::LocalTimeZone(), &time, nullptr)) {
      return time;
    }
  }
  return std::nullopt;
}

}  // namespace mansio::command
