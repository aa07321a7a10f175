#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <ostream>
#include <string_view>

#include "CLI/CLI.hpp"
#include "absl/time/clock.h"
#include "client/command/command_tree.h"
#include "client/command/completion.h"
#include "client/command/context.h"
#include "client/command/mqadmin.h"
#include "client/command/reach.h"
#include "common/names/edit_distance.h"

namespace mansio::command {
namespace {

constexpr char kDescription[] =
    "mansio administers and tries out a cluster of Mansio brokers, or any other server of the\n"
    "RocketMQ 5 protocol (message and bench).\n";

// Verbs that change nothing and end by themselves: --watch repeats them.
constexpr std::string_view kLooks[] = {"list",  "describe", "stats", "lag",    "why",   "clients",
                                       "check", "status",   "show",  "routes", "route", "get"};

// What CLI11 says of a wrong command line, as one line.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// A word where a command was expected: named, with the command that was probably meant. Empty when
// that is not what is wrong.
std::string UnknownCommand(const CLI::App& app) {
  const CLI::App& parent = Innermost(app);
  const std::vector<std::string> rest = app.remaining(true);
  const std::vector<const CLI::App*> known = Below(parent);
  if (known.empty() || rest.empty() || rest.front().starts_with('-')) return "";
  const std::string typed = rest.front().substr(0, 100);
  if (const std::string counterpart = CounterpartOf(typed); !counterpart.empty()) {
    return fmt::format("RocketMQ's {} is {} here; mansio mqadmin {} ... takes mqadmin's options",
                       typed, counterpart, typed);
  }
  std::string text = fmt::format("'{}' is not a command of {}", typed, GivenPath(app));
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const CLI::App* a, const CLI::App* b) {
        return EditDistance(a->get_name(), typed) < EditDistance(b->get_name(), typed);
      });
  if (EditDistance((*nearest)->get_name(), typed) <= MostEditsOfAMistake(typed)) {
    text += fmt::format("; did you mean {}?", (*nearest)->get_name());
  }
  return text;
}

// What is missing, or what is too much: CLI11 says the first without the words that would do, and
// the second backwards.
std::string Complaint(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<const CLI::App*> known = Below(Innermost(app));
  if (!known.empty() && app.remaining(true).empty() &&
      dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    std::vector<std::string> words;
    for (const CLI::App* sub : known) words.push_back(sub->get_name());
    return fmt::format("{} needs a command: {}", GivenPath(app), fmt::join(words, ", "));
  }
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    return fmt::format("{} does not take: {}", GivenPath(app), fmt::join(app.remaining(true), " "));
  }
  return OneLine(error.what());
}

int ParseFailed(const CLI::App& app, const Context& context, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::CallForHelp*>(&error) != nullptr) {
    *context.out << app.help();
    return kOk;
  }
  if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
    *context.out << error.what() << "\n";
    return kOk;
  }
  const std::string unknown = UnknownCommand(app);
  return FailUsage(context, unknown.empty() ? Complaint(app, error) : unknown,
                   fmt::format("{} --help explains the command", GivenPath(app)));
}

// What `mansio mqadmin` by itself shows.
int ListMqadmin(const Context& context) {
  *context.out
      << "Commands of RocketMQ's mqadmin, with their own options, and what they are here:\n";
  for (const MqadminName& known : MqadminNames()) {
    *context.out << fmt::format("  {:<24}{}\n", known.name, CounterpartOf(known.name));
  }
  return kOk;
}

// Puts what `mqadmin COMMAND OPTIONS` means in its place, where it stands instead of a noun.
// Returns an exit code when that is all there is to do.
std::optional<int> TranslateInPlace(const CLI::App& tree, const Context& context,
                                    std::vector<std::string>* arguments) {
  const auto at = std::find_if(arguments->begin(), arguments->end(), [&](const std::string& word) {
    return word == kMqadmin || FindCommand(tree, word) != nullptr;
  });
  if (at == arguments->end() || *at != kMqadmin) return std::nullopt;
  const std::vector<std::string> rest(at + 1, arguments->end());
  if (rest.empty() || rest.front() == "--help" || rest.front() == "help") {
    return ListMqadmin(context);
  }
  const auto words = TranslateMqadmin(rest);
  if (!words.ok()) {
    return FailUsage(context, std::string(words.status().message()),
                     "mansio mqadmin lists what has a counterpart");
  }
  *context.err << fmt::format("note: mqadmin {} is mansio {}\n", rest.front(),
                              fmt::join(*words, " "));
  arguments->erase(at, arguments->end());
  arguments->insert(arguments->end(), words->begin(), words->end());
  return std::nullopt;
}

// Shows the same again and again. A server that does not answer may come back, so it goes on.
int Watch(const Context& context, const CLI::App& tree) {
  const absl::StatusOr<absl::Duration> interval = ParseInterval(context.watch);
  if (!interval.ok()) {
    return FailUsage(context, fmt::format("--watch: {}", std::string(interval.status().message())),
                     "");
  }
  const std::string verb = Innermost(tree).get_name();
  if (std::find(std::begin(kLooks), std::end(kLooks), verb) == std::end(kLooks)) {
    return FailUsage(context, fmt::format("--watch does not go with {}", GivenPath(tree)),
                     fmt::format("it goes with {}", fmt::join(kLooks, ", ")));
  }
  int exit = kOk;
  do {
    if (context.terminal_width > 0) {
      *context.out << "\x1b[H\x1b[2J" << GivenPath(tree) << ", every "
                   << absl::FormatDuration(*interval) << ", "
                   << absl::FormatTime("%H:%M:%S", absl::Now(), absl::LocalTimeZone()) << "\n\n";
    }
    exit = context.action();
    *context.out << std::flush;
  } while (exit != kUsage && context.wait(*interval));
  return exit;
}

int Act(const CLI::App& tree, Context& context) {
  if (context.needs_cluster) {
    const absl::Status status = ResolveReach(tree.get_option("--endpoint")->count() > 0,
                                             tree.get_option("--tls")->count() > 0, &context);
    if (!status.ok()) {
      return FailUsage(context, std::string(status.message()),
                       context.cluster_secret_file.empty()
                           ? ""
                           : "--cluster-secret-file names the file that the servers have, too");
    }
  }
  return context.watch.empty() ? context.action() : Watch(context, tree);
}

}  // namespace

int Run(std::vector<std::string> arguments, Context context) {
  if (!arguments.empty() && arguments.front() == kCompleteVerb) {
    const bool dashes = arguments.size() > 1 && arguments[1] == "--";
    return RunComplete({arguments.begin() + (dashes ? 2 : 1), arguments.end()}, context);
  }
  CLI::App tree(kDescription);
  BuildTree(tree, context);
  if (const auto exit = TranslateInPlace(tree, context, &arguments); exit) return *exit;
  try {
    // CLI11 takes its arguments last first.
    tree.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return ParseFailed(tree, context, error);
  }
  return Act(tree, context);
}

}  // namespace mansio::command
