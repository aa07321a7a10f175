#ifndef MANSIO_BROKER_DELAY_LEVELS_H_
#define MANSIO_BROKER_DELAY_LEVELS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace mansio::broker {

inline constexpr std::string_view kDefaultDelayLevels =
    "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h";
inline constexpr size_t kMaxDelayLevels = 64;

// The delays of levels 1, 2, … in milliseconds, from the text of delay.levels: durations with
// blanks between them. InvalidArgument with a sentence otherwise. Pure function.
absl::StatusOr<std::vector<int64_t>> ParseDelayLevels(std::string_view text);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_LEVELS_H_
