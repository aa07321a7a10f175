#include "client/command/mqadmin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "common/names/utf8.h"

namespace mansio::command {
namespace {

using Words = std::vector<std::string>;
// What becomes of an option's value: the words to append, or why not.
using Translation = absl::StatusOr<Words> (*)(const std::string& value);

// ---- options ----

absl::StatusOr<Words> Positional(const std::string& value) { return Words{value}; }
// Clusters and brokers are all meant here anyway.
absl::StatusOr<Words> Ignored(const std::string&) { return Words{}; }
absl::StatusOr<Words> Queues(const std::string& value) { return Words{"--queues", value}; }
absl::StatusOr<Words> OfTopic(const std::string& value) { return Words{"--topic", value}; }
absl::StatusOr<Words> Tag(const std::string& value) { return Words{"--tag", value}; }
absl::StatusOr<Words> Key(const std::string& value) { return Words{"--key", value}; }
absl::StatusOr<Words> Body(const std::string& value) { return Words{"--body", value}; }
absl::StatusOr<Words> Filter(const std::string& value) { return Words{"--filter", value}; }
absl::StatusOr<Words> Queue(const std::string& value) { return Words{"--queue", value}; }
absl::StatusOr<Words> Max(const std::string& value) { return Words{"--max", value}; }
absl::StatusOr<Words> Endpoint(const std::string& value) { return Words{"--endpoint", value}; }

absl::StatusOr<Words> Limit(const std::string& value) { return Words{"--limit", value}; }

absl::StatusOr<Words> MillisOption(const char* option, const std::string& value) {
  int64_t millis = 0;
  if (!absl::SimpleAtoi(value, &millis)) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not a time in milliseconds", value));
  }
  return Words{option, absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromUnixMillis(millis),
                                        absl::UTCTimeZone())};
}
absl::StatusOr<Words> From(const std::string& value) { return MillisOption("--from", value); }
absl::StatusOr<Words> Until(const std::string& value) { return MillisOption("--until", value); }

absl::StatusOr<Words> Fifo(const std::string& value) {
  return value == "true" ? Words{"--fifo"} : Words{};
}

// Retries do not count the first delivery, attempts do.
absl::StatusOr<Words> Retries(const std::string& value) {
  int retries = 0;
  if (!absl::SimpleAtoi(value, &retries) || retries < 0) {
    return absl::InvalidArgumentError(fmt::format("'{}' is not a number of retries", value));
  }
  return Words{"--max-attempts", std::to_string(int64_t{retries} + 1)};
}

// "+message.type=FIFO".
absl::StatusOr<Words> Attributes(const std::string& value) {
  constexpr char kType[] = "+message.type=";
  if (!absl::StartsWith(value, kType) || absl::StrContains(value, ",")) {
    return absl::InvalidArgumentError(
        fmt::format("of attributes only {}TYPE is known, not '{}'", kType, value));
  }
  return Words{"--type", absl::AsciiStrToLower(value.substr(sizeof(kType) - 1))};
}

// "now", milliseconds since 1970, or local time as 2026-01-31#12:00:00:000.
absl::StatusOr<Words> Since(const std::string& value) {
  if (value == "now") return Words{"--to", "latest"};
  int64_t millis = 0;
  absl::Time time;
  if (absl::SimpleAtoi(value, &millis)) {
    time = absl::FromUnixMillis(millis);
  } else if (std::string error;
             value.size() < 20 || !absl::ParseTime("%Y-%m-%d#%H:%M:%S", value.substr(0, 19),
                                                   absl::LocalTimeZone(), &time, &error)) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not a time; write now, milliseconds, or 2026-01-31#12:00:00:000", value));
  }
  return Words{"--to", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone())};
}

struct Option {
  Translation translation;
  bool has_value = true;
};

struct Command {
  std::string name;
  Words words;  // the counterpart
  std::map<std::string, Option> options;
  Words added;  // behind them
};

const std::vector<Command>& Commands() {
  static const auto* const commands = new std::vector<Command>{
      {"updateTopic",
       {"topic", "create"},
       {{"-t", {Positional}},
        {"-w", {Queues}},
        {"-r", {Ignored}},
        {"-a", {Attributes}},
        {"-c", {Ignored}},
        {"-b", {Ignored}}},
       {}},
      {"deleteTopic", {"topic", "delete"}, {{"-t", {Positional}}, {"-c", {Ignored}}}, {}},
      {"topicList", {"topic", "list"}, {{"-c", {Ignored, false}}}, {}},
      {"topicStatus", {"topic", "describe"}, {{"-t", {Positional}}}, {}},
      {"topicRoute", {"topic", "route"}, {{"-t", {Positional}}, {"-l", {Ignored, false}}}, {}},
      {"brokerStatus", {"broker", "list"}, {{"-b", {Ignored}}, {"-c", {Ignored}}}, {}},
      {"updateSubGroup",
       {"group", "create"},
       {{"-g", {Positional}},
        {"-r", {Retries}},
        {"-o", {Fifo}},
        {"-c", {Ignored}},
        {"-b", {Ignored}}},
       {}},
      {"deleteSubGroup",
       {"group", "delete"},
       {{"-g", {Positional}}, {"-c", {Ignored}}, {"-b", {Ignored}}},
       {}},
      {"consumerProgress", {"group", "lag"}, {{"-g", {Positional}}}, {}},
      {"consumerConnection", {"group", "clients"}, {{"-g", {Positional}}}, {}},
      {"consumerStatus", {"group", "why"}, {{"-g", {Positional}}}, {}},
      {"producerConnection", {"client", "list"}, {{"-g", {Ignored}}, {"-t", {Ignored}}}, {}},
      {"clusterList", {"cluster", "list"}, {{"-c", {Ignored}}, {"-m", {Ignored, false}}}, {}},
      {"resetOffsetByTime",
       {"group", "reset"},
       {{"-g", {Positional}}, {"-t", {OfTopic}}, {"-s", {Since}}, {"-f", {Ignored}}},
       {}},
      {"skipAccumulatedMessage",
       {"group", "reset"},
       {{"-g", {Positional}}, {"-t", {OfTopic}}, {"-f", {Ignored}}},
       {"--to", "latest"}},
      {"sendMessage",
       {"message", "send"},
       {{"-t", {Positional}}, {"-p", {Body}}, {"-k", {Key}}, {"-c", {Tag}}},
       {}},
      {"consumeMessage",
       {"message", "print"},
       {{"-t", {Positional}}, {"-i", {Queue}}, {"-c", {Max}}},
       {}},
      {"printMsg", {"message", "print"}, {{"-t", {Positional}}, {"-s", {Filter}}}, {}},
      {"queryMsgByKey",
       {"message", "query"},
       {{"-t", {OfTopic}},
        {"-k", {Key}},
        {"-b", {From}},
        {"-e", {Until}},
        {"-m", {Limit}},
        {"-c", {Ignored}}},
       {}},
      {"queryMsgById",
       {"message", "get"},
       {{"-i", {Positional}}, {"-t", {Ignored}}, {"-c", {Ignored}}},
       {}},
      {"queryMsgByUniqueKey",
       {"message", "get"},
       {{"-i", {Positional}}, {"-t", {Ignored}}, {"-c", {Ignored}}, {"-a", {Ignored, false}}},
       {}},
      {"queryMsgTraceById",
       {"message", "trace"},
       {{"-i", {Positional}},
        {"-t", {Ignored}},
        {"-b", {Ignored}},
        {"-e", {Ignored}},
        {"-c", {Ignored}}},
       {}},
  };
  return *commands;
}

const Command* Find(std::string_view name) {
  for (const Command& command : Commands()) {
    // The official quick starts write them in lower case.
    if (absl::EqualsIgnoreCase(command.name, absl::string_view(name.data(), name.size()))) {
      return &command;
    }
  }
  return nullptr;
}

std::string Written(const Words& words) { return fmt::format("mansio {}", fmt::join(words, " ")); }

absl::Status Refuse(const Command& command, const std::string& reason) {
  return absl::InvalidArgumentError(
      fmt::format("{}: {}; it is {} here, and {} --help explains that", command.name, reason,
                  Written(command.words), Written(command.words)));
}

}  // namespace

std::vector<MqadminName> MqadminNames() {
  std::vector<MqadminName> names;
  for (const Command& command : Commands()) names.push_back({command.name, command.words});
  return names;
}

std::string CounterpartOf(std::string_view name) {
  const Command* command = Find(name);
  return command == nullptr ? "" : Written(command->words);
}

absl::StatusOr<std::vector<std::string>> TranslateMqadmin(
    const std::vector<std::string>& arguments) {
  const Command* command = arguments.empty() ? nullptr : Find(arguments.front());
  if (command == nullptr) {
    return absl::InvalidArgumentError(
        arguments.empty()
            ? "mqadmin needs the name of a command"
            : fmt::format("mqadmin's {} has no counterpart", EscapeForLog(arguments.front(), 100)));
  }
  Words words = command->words;
  for (size_t i = 1; i < arguments.size(); ++i) {
    const std::string& letter = arguments[i];
    // Ours can be given as well, as one word: --yes, --output=json.
    if (absl::StartsWith(letter, "--")) {
      words.push_back(letter);
      continue;
    }
    Option option{Endpoint};
    if (letter != "-n") {
      const auto found = command->options.find(letter);
      if (found == command->options.end()) {
        return Refuse(*command, fmt::format("'{}' is not known", EscapeForLog(letter, 100)));
      }
      option = found->second;
    }
    if (option.has_value && ++i == arguments.size()) {
      return Refuse(*command, fmt::format("{} needs a value", letter));
    }
    absl::StatusOr<Words> translated = option.translation(option.has_value ? arguments[i] : "");
    if (!translated.ok()) return Refuse(*command, std::string(translated.status().message()));
    words.insert(words.end(), translated->begin(), translated->end());
  }
  words.insert(words.end(), command->added.begin(), command->added.end());
  return words;
}

}  // namespace mansio::command
