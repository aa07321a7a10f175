#ifndef MANSIO_CLIENT_COMMAND_TIMES_H_
#define MANSIO_CLIENT_COMMAND_TIMES_H_

#include <optional>
#include <string_view>

#include "absl/time/time.h"

// Times as users write them. Pure functions.
namespace mansio::command {

// "500ms", "90s", "1h30m", "2d", "1d12h"; nothing below zero.
std::optional<absl::Duration> ParseSpan(std::string_view text);

// "2026-01-31T12:00:00Z", with an offset instead of Z, or without for the local zone; a blank may
// stand for the T, seconds may be left out behind a blank, and a date alone is its midnight.
std::optional<absl::Time> ParseInstant(std::string_view text);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_TIMES_H_
