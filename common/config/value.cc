#include "common/config/value.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "common/names/utf8.h"

namespace mansio {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string Join(const std::vector<std::string>& words, std::string_view separator) {
  return fmt::format("{}", fmt::join(words, separator));
}

// An address without brackets; a zone ("%eth0") may follow it.
bool IsIPv6(std::string_view text) {
  const size_t percent = text.find('%');
  const std::string address(text.substr(0, percent));
  if (percent != std::string_view::npos) {
    const std::string_view zone = text.substr(percent + 1);
    if (zone.empty() || zone.find_first_of("[]:/% \t,") != std::string_view::npos) return false;
  }
  in6_addr ignored;
  return !HasControlCharacter(text) && inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
}

}  // namespace

std::string HostPort::ToString() const {
  if (host.empty()) return "";
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port)
                                             : fmt::format("[{}]:{}", host, port);
}

absl::StatusOr<HostPort> ParseHostPort(std::string_view text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not an address HOST:PORT such as 127.0.0.1:8081, broker-1:8081 or [::1]:8081",
        EscapeForLog(text)));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (!IsIPv6(host)) return wrong();
  } else if (host.empty() || host.find_first_of(":[]/@ \t,") != std::string_view::npos) {
    return wrong();
  }
  if (HasControlCharacter(host)) return wrong();
  HostPort result;
  result.host = host;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc() || end != port.data() + port.size()) return wrong();
  return result;
}

namespace config {
namespace {

struct Unit {
  std::string_view suffix;
  int64_t factor;
};
constexpr std::array<Unit, 5> kSizeUnits = {
    {{"TiB", kTiB}, {"GiB", kGiB}, {"MiB", kMiB}, {"KiB", kKiB}, {"B", 1}}};
// In milliseconds.
constexpr std::array<Unit, 5> kDurationUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

// A non-negative number and a unit; nothing when either is wrong or the product too large.
std::optional<int64_t> ParseWithUnit(std::string_view text, const std::array<Unit, 5>& units,
                                     bool unit_needed) {
  text = Trimmed(text);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  const std::string_view suffix = Trimmed(text.substr(static_cast<size_t>(end - text.data())));
  if (suffix.empty() && (!unit_needed || number == 0)) return number;
  for (const Unit& unit : units) {
    if (unit.suffix != suffix) continue;
    if (number > std::numeric_limits<int64_t>::max() / unit.factor) return std::nullopt;
    return number * unit.factor;
  }
  return std::nullopt;
}

std::string FormatWithUnit(int64_t value, const std::array<Unit, 5>& units) {
  for (const Unit& unit : units) {
    if (value != 0 && value % unit.factor == 0) {
      return fmt::format("{}{}", value / unit.factor, unit.suffix);
    }
  }
  return "0" + std::string(units[3].suffix == "s" ? "s" : "B");
}

absl::Status NotAccepted(const Key& key, std::string_view text) {
  std::string example;
  if (key.type == ValueType::kDuration) {
    const absl::Duration usual = std::max(key.min_duration, absl::Seconds(3));
    example = fmt::format(", such as {}", DurationText(std::min(usual, key.max_duration)));
  }
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not {}{}", EscapeForLog(text), Accepted(key), example));
}

absl::StatusOr<Value> ParseBool(const Key& key, std::string_view text) {
  if (text == "true") return Value(true);
  if (text == "false") return Value(false);
  return NotAccepted(key, text);
}

absl::StatusOr<Value> ParseInt(const Key& key, std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || number < key.min || number > key.max) return NotAccepted(key, text);
  return Value(number);
}

absl::StatusOr<Value> ParseEnum(const Key& key, std::string_view text) {
  for (const Refused& refused : key.refused) {
    if (refused.word == text) return absl::UnimplementedError(refused.sentence);
  }
  const bool is_word = std::find(key.words.begin(), key.words.end(), text) != key.words.end();
  if (!is_word && !(text.empty() && key.may_be_empty)) return NotAccepted(key, text);
  return Value(std::string(text));
}

absl::StatusOr<Value> ParseText(const Key& key, std::string_view text) {
  if (text.empty() && !key.may_be_empty) {
    return absl::InvalidArgumentError(fmt::format("it is empty, but must be {}", Accepted(key)));
  }
  if (HasControlCharacter(text)) return NotAccepted(key, text);
  if (key.check) {
    if (absl::Status status = key.check(text); !status.ok()) return status;
  }
  return Value(std::string(text));
}

absl::StatusOr<Value> ParseHostPorts(std::string_view text) {
  std::vector<HostPort> list;
  while (!Trimmed(text).empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    auto address = ParseHostPort(Trimmed(item));
    if (!address.ok()) return address.status();
    list.push_back(*std::move(address));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
  }
  return Value(std::move(list));
}

}  // namespace

absl::StatusOr<int64_t> ParseSize(std::string_view text) {
  if (auto bytes = ParseWithUnit(text, kSizeUnits, false)) return *bytes;
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a size such as 512B, 64KiB, 4MiB or 1GiB", EscapeForLog(text)));
}

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  if (auto millis = ParseWithUnit(text, kDurationUnits, true)) return absl::Milliseconds(*millis);
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a duration such as 500ms, 10s, 5m or 72h", EscapeForLog(text)));
}

std::string SizeText(int64_t bytes) { return FormatWithUnit(bytes, kSizeUnits); }

std::string DurationText(absl::Duration duration) {
  return FormatWithUnit(absl::ToInt64Milliseconds(duration), kDurationUnits);
}

absl::StatusOr<Value> ParseValue(const Key& key, std::string_view text) {
  text = Trimmed(text);
  switch (key.type) {
    case ValueType::kBool:
      return ParseBool(key, text);
    case ValueType::kInt:
      return ParseInt(key, text);
    case ValueType::kSize: {
      const auto bytes = ParseSize(text);
      if (!bytes.ok() || *bytes < key.min || *bytes > key.max) return NotAccepted(key, text);
      return Value(*bytes);
    }
    case ValueType::kDuration: {
      const auto duration = ParseDuration(text);
      if (!duration.ok() || *duration < key.min_duration || *duration > key.max_duration) {
        return NotAccepted(key, text);
      }
      return Value(*duration);
    }
    case ValueType::kEnum:
      return ParseEnum(key, text);
    case ValueType::kString:
    case ValueType::kPath:
      return ParseText(key, text);
    case ValueType::kHostPort: {
      if (text.empty() && key.may_be_empty) return Value(HostPort());
      auto address = ParseHostPort(text);
      if (!address.ok()) return address.status();
      return Value(*std::move(address));
    }
    case ValueType::kHostPorts:
      return ParseHostPorts(text);
  }
  return NotAccepted(key, text);
}

std::string FormatValue(const Key& key, const Value& value) {
  switch (key.type) {
    case ValueType::kBool:
      return std::get<bool>(value) ? "true" : "false";
    case ValueType::kInt:
      return fmt::format("{}", std::get<int64_t>(value));
    case ValueType::kSize:
      return SizeText(std::get<int64_t>(value));
    case ValueType::kDuration:
      return DurationText(std::get<absl::Duration>(value));
    case ValueType::kString:
    case ValueType::kPath:
    case ValueType::kEnum:
      return std::get<std::string>(value);
    case ValueType::kHostPort:
      return std::get<HostPort>(value).ToString();
    case ValueType::kHostPorts: {
      std::vector<std::string> texts;
      for (const HostPort& item : std::get<std::vector<HostPort>>(value)) {
        texts.push_back(item.ToString());
      }
      return Join(texts, ",");
    }
  }
  return "";
}

std::string Accepted(const Key& key) {
  const std::string_view or_empty = key.may_be_empty ? ", or empty" : "";
  switch (key.type) {
    case ValueType::kBool:
      return "true or false";
    case ValueType::kInt:
      return fmt::format("a whole number from {} to {}", key.min, key.max);
    case ValueType::kSize:
      return fmt::format("a size (B, KiB, MiB, GiB, TiB) from {} to {}", SizeText(key.min),
                         SizeText(key.max));
    case ValueType::kDuration:
      return fmt::format("a duration (ms, s, m, h, d) from {} to {}",
                         DurationText(key.min_duration), DurationText(key.max_duration));
    case ValueType::kString:
      return fmt::format("text{}", or_empty);
    case ValueType::kPath:
      return fmt::format("a path{}", or_empty);
    case ValueType::kEnum:
      return fmt::format("one of {}{}", Join(key.words, ", "), or_empty);
    case ValueType::kHostPort:
      return fmt::format("an address HOST:PORT{}", or_empty);
    case ValueType::kHostPorts:
      return "a list of addresses HOST:PORT, which may be empty";
  }
  return "";
}

}  // namespace config
}  // namespace mansio
