#include "client/command/point.h"

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "client/command/times.h"

namespace mansio::command {

absl::StatusOr<Point> ParsePoint(const std::string& text, absl::Time now) {
  Point point;
  if (text == "earliest") return point;
  if (text == "latest") {
    point.kind = Point::Kind::kLatest;
    return point;
  }
  if (text.find_first_not_of("0123456789") == std::string::npos &&
      absl::SimpleAtoi(text, &point.offset)) {
    point.kind = Point::Kind::kOffset;
    return point;
  }
  point.kind = Point::Kind::kTime;
  if (const auto time = ParseInstant(text)) {
    point.time = *time;
    return point;
  }
  if (const auto ago = ParseSpan(text); ago && *ago > absl::ZeroDuration()) {
    point.time = now - *ago;
    return point;
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is no point in a topic; write earliest, latest, an offset, a time such as "
                  "2026-01-31T12:00:00Z, or how long ago, such as 10m or 2d",
                  text));
}

}  // namespace mansio::command
