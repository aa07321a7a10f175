#include "client/command/context.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <istream>
#include <ostream>
#include <string_view>

#include "CLI/CLI.hpp"
#include "apache/rocketmq/v2/definition.pb.h"
#include "client/command/times.h"
#include "client/lib/transport.h"
#include "common/names/utf8.h"
#include "common/status/no_broker.h"
#include "common/status/wire_status.h"

namespace mansio::command {

namespace v2 = apache::rocketmq::v2;

namespace {

struct Explanation {
  ExitCode exit;
  std::string hint;
};

Explanation Explain(const Context& context, const absl::Status& status) {
  // Whatever was asked for, it is not the name that is wrong.
  const std::string_view text(status.message().data(), status.message().size());
  if (text.find(kNoBroker) != std::string_view::npos) return {kUnreachable, ""};
  switch (CodeOf(status)) {
    case v2::TOPIC_NOT_FOUND:
      return {kNotFound, "mansio topic list shows the topics"};
    case v2::CONSUMER_GROUP_NOT_FOUND:
      return {kNotFound, "mansio group list shows the groups"};
    case v2::TOO_MANY_REQUESTS:
      return {kFailed,
              "the broker is at one of its limits; try again, or raise the limit in its "
              "configuration"};
    case v2::INVALID_RECEIPT_HANDLE:
      return {kFailed, "the lease has passed; receive with a longer --invisible"};
    default:
      break;
  }
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return {kNotFound, ""};
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return {kDenied, ""};
    case absl::StatusCode::kUnavailable:
      if (!client::IsTransportError(status)) return {kUnreachable, ""};  // somebody did answer
      return {kUnreachable,
              fmt::format("is a broker or nameserver running at {}? Choose another address with "
                          "--endpoint HOST:PORT, MANSIO_ENDPOINT or mansio context use",
                          context.client.endpoint)};
    case absl::StatusCode::kDeadlineExceeded:
      if (!client::IsTransportError(status))
        return {kUnreachable, ""};  // its own sentence says why
      return {kUnreachable,
              "the node is busy or the network drops packets; --timeout 10s waits longer"};
    case absl::StatusCode::kUnimplemented:
      return {kFailed,
              "a broker answers what a nameserver does not serve; name it with --endpoint"};
    default:
      return {kFailed, ""};
  }
}

}  // namespace

void Context::Print(const Json& value) const {
  *out << Render(value, format, {.terminal_width = terminal_width});
}

void Context::Say(const std::string& sentence) const {
  if (format == Format::kTable) *out << sentence << "\n";
}

void PrintError(const Context& context, const std::string& code, const std::string& message,
                const std::string& hint) {
  if (context.format != Format::kTable) {
    Json error = {{"code", code}, {"message", message}};
    if (!hint.empty()) error["hint"] = hint;
    *context.err << Render({{"error", error}}, context.format);
    return;
  }
  *context.err << "error: " << EscapeForLog(message, 2000) << "\n";
  if (!hint.empty()) *context.err << "hint: " << hint << "\n";
}

int Fail(const Context& context, const absl::Status& status) {
  const Explanation explanation = Explain(context, status);
  const bool unreachable = client::IsTransportError(status) && explanation.exit == kUnreachable;
  PrintError(context, unreachable ? "UNREACHABLE" : CodeName(CodeOf(status)),
             std::string(status.message()), explanation.hint);
  return explanation.exit;
}

int FailUsage(const Context& context, const std::string& message, const std::string& hint) {
  PrintError(context, "USAGE", message, hint);
  return kUsage;
}

bool Confirm(const Context& context, bool yes, const std::string& what, const std::string& name) {
  if (yes) return true;
  if (!context.in_is_terminal) {
    FailUsage(context, fmt::format("this would delete {}", what), "add --yes to do it");
    return false;
  }
  *context.err << "This deletes " << what << ". Type its name to go on: " << std::flush;
  std::string answer;
  std::getline(*context.in, answer);
  if (answer == name) return true;
  FailUsage(context, "not confirmed; nothing was deleted", "");
  return false;
}

bool Agree(const Context& context, bool yes, const std::string& what) {
  if (yes || !context.in_is_terminal) return true;
  *context.err << "This " << what << ". Go on? [y/N] " << std::flush;
  std::string answer;
  std::getline(*context.in, answer);
  if (answer == "y" || answer == "Y" || answer == "yes") return true;
  FailUsage(context, "not confirmed; nothing was changed", "");
  return false;
}

absl::StatusOr<absl::Duration> ParseInterval(const std::string& text) {
  const bool plain = text.find_first_not_of("0123456789.") == std::string::npos;
  if (const auto value = ParseSpan(plain ? text + "s" : text)) return *value;
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a duration; write for example 500ms, 3s, 2m or 1d", text));
}

absl::Duration IntervalOf(const std::string& option, const std::string& text) {
  const absl::StatusOr<absl::Duration> value = ParseInterval(text);
  if (!value.ok()) throw CLI::ValidationError(option, std::string(value.status().message()));
  return *value;
}

void AddDuration(CLI::App& app, const std::string& name, absl::Duration* value,
                 const std::string& description) {
  app.add_option_function<std::string>(
         name, [value, name](const std::string& text) { *value = IntervalOf(name, text); },
         description)
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(*value));
}

CLI::Option* OneOf(CLI::Option* option, std::initializer_list<const char*> words) {
  const std::vector<std::string> known(words.begin(), words.end());
  // The words are in the type's name; the validator's own list of them would say it twice.
  return option->check(CLI::IsMember(known).description(""))
      ->type_name(fmt::format("{}", fmt::join(known, "|")));
}

}  // namespace mansio::command
