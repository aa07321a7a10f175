#ifndef MANSIO_COMMON_CONFIG_VALUE_H_
#define MANSIO_COMMON_CONFIG_VALUE_H_

// The values of configuration keys as text and as typed values. Pure functions, thread safe.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/config/host_port.h"

namespace mansio::config {

inline constexpr int64_t kKiB = 1024;
inline constexpr int64_t kMiB = 1024 * kKiB;
inline constexpr int64_t kGiB = 1024 * kMiB;
inline constexpr int64_t kTiB = 1024 * kGiB;

enum class ValueType {
  kBool,
  kInt,
  kSize,
  kDuration,
  kString,
  kPath,
  kEnum,
  kHostPort,
  kHostPorts
};

// kBool: bool. kInt and kSize (bytes): int64_t. kString, kPath, kEnum: std::string.
using Value =
    std::variant<bool, int64_t, absl::Duration, std::string, HostPort, std::vector<HostPort>>;

// A word that is known but not accepted yet, and the sentence that says so.
struct Refused {
  std::string word;
  std::string sentence;
};

// Everything about a key but the member it is bound to.
struct Key {
  std::string name;  // dotted, for example "limits.body"
  ValueType type = ValueType::kString;
  Value default_value;
  std::string explanation;  // one paragraph
  std::string unit;         // of an integer, for example "messages"
  bool run_time = false;    // may change without a restart

  int64_t min = 0;  // kInt, kSize: the range, both ends included
  int64_t max = 0;
  absl::Duration min_duration;
  absl::Duration max_duration;
  std::vector<std::string> words;                       // kEnum: the accepted ones
  std::vector<Refused> refused;                         // kEnum
  bool may_be_empty = false;                            // kString, kPath, kEnum, kHostPort
  std::function<absl::Status(std::string_view)> check;  // kString, kPath: a rule of its own
};

// Parses and checks `text` for `key`: "true", "42", "4MiB", "500ms", "host:port" or, for a list,
// "host:port,host:port". The error is a sentence without the key's name, and it says what is
// allowed.
absl::StatusOr<Value> ParseValue(const Key& key, std::string_view text);

// The text that ParseValue turns into `value`.
std::string FormatValue(const Key& key, const Value& value);

// What the key accepts, for people: "a size from 1B to 128MiB", "one of async, sync".
std::string Accepted(const Key& key);

// Sizes in bytes with the units B, KiB, MiB, GiB, TiB ("4MiB"; "4096" is bytes) and durations with
// ms, s, m, h, d ("72h").
absl::StatusOr<int64_t> ParseSize(std::string_view text);
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
std::string SizeText(int64_t bytes);
std::string DurationText(absl::Duration duration);

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_VALUE_H_
