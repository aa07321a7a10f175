#include "broker/delay/levels.h"

#include <fmt/format.h>

#include <string>

#include "absl/strings/str_split.h"
#include "absl/time/time.h"

namespace mansio::broker {

namespace {
constexpr absl::Duration kLongestLevel = absl::Hours(24 * 40);
}  // namespace

absl::StatusOr<std::vector<int64_t>> ParseDelayLevels(std::string_view text) {
  std::vector<int64_t> levels;
  const absl::string_view all(text.data(), text.size());
  for (const absl::string_view word : absl::StrSplit(all, ' ', absl::SkipWhitespace())) {
    absl::Duration delay;
    if (!absl::ParseDuration(word, &delay) || delay < absl::Seconds(1) || delay > kLongestLevel) {
      return absl::InvalidArgumentError(
          fmt::format("delay level '{}' is not a duration from 1s to 960h; write for example "
                      "\"1s 10s 5m 1h\"",
                      std::string(word)));
    }
    levels.push_back(absl::ToInt64Milliseconds(delay));
  }
  if (levels.empty() || levels.size() > kMaxDelayLevels) {
    return absl::InvalidArgumentError(fmt::format("there are 1 to {} delay levels, {} were given",
                                                  kMaxDelayLevels, levels.size()));
  }
  return levels;
}

}  // namespace mansio::broker
