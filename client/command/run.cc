#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "CLI/CLI.hpp"
#include "client/command/context.h"
#include "client/lib/identity.h"
#include "common/names/edit_distance.h"

namespace mansio::command {
namespace {

constexpr char kDescription[] =
    "mansio administers and tries out a cluster of Mansio brokers, or any other server of the\n"
    "RocketMQ 5 protocol (message and bench).\n";

constexpr char kFooter[] =
    "Examples:\n"
    "  mansio topic create orders                     a topic with 8 queues\n"
    "  mansio message send orders \"hello\"             one message\n"
    "  mansio message receive orders --group test     up to 32 that wait for the group test\n"
    "  mansio cluster list -o json                    the brokers, for a script\n"
    "\nExit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, 5 unreachable, 6 done in "
    "part.";

void AddGlobalOptions(CLI::App& app, Context& context) {
  app.add_option("--endpoint", context.client.endpoint, "Any broker or nameserver")
      ->envname("MANSIO_ENDPOINT")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  static const std::map<std::string, Format> kFormats = {
      {"table", Format::kTable}, {"json", Format::kJson}, {"yaml", Format::kYaml}};
  app.add_option("-o,--output", context.format, "table, json or yaml")
      ->transform(CLI::CheckedTransformer(kFormats).description(""))
      ->type_name("FORMAT")
      ->default_str("table");
  AddDuration(app, "--timeout", &context.client.request_timeout, "How long to wait for an answer");
  app.add_flag("--tls", context.client.tls,
               "Encrypt the connection; any server certificate is accepted");
  app.set_version_flag("--version", std::string("mansio ") + client::Version());
}

// The command that was being given when parsing ended: "mansio topic create".
std::string CommandPath(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* sub : app.get_subcommands()) path += " " + CommandPath(*sub);
  return path;
}

// What CLI11 says of a wrong command line, as one line.
std::string OneLine(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// The command that is being given, as far as its words are known.
const CLI::App& Innermost(const CLI::App& app) {
  const std::vector<CLI::App*> given = app.get_subcommands();
  return given.empty() ? app : Innermost(*given.back());
}

// A word where a command was expected: named, with the command that was probably meant. Empty when
// that is not what is wrong.
std::string UnknownCommand(const CLI::App& app) {
  const CLI::App& parent = Innermost(app);
  const std::vector<std::string> rest = app.remaining(true);
  const std::vector<const CLI::App*> known =
      parent.get_subcommands([](const CLI::App*) { return true; });
  if (known.empty() || rest.empty() || rest.front().starts_with('-')) return "";
  const std::string typed = rest.front().substr(0, 100);
  std::string text = fmt::format("'{}' is not a command of {}", typed, CommandPath(app));
  const auto nearest =
      std::min_element(known.begin(), known.end(), [&](const CLI::App* a, const CLI::App* b) {
        return EditDistance(a->get_name(), typed) < EditDistance(b->get_name(), typed);
      });
  if (EditDistance((*nearest)->get_name(), typed) <= MostEditsOfAMistake(typed)) {
    text += fmt::format("; did you mean {}?", (*nearest)->get_name());
  }
  return text;
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
  return FailUsage(context, unknown.empty() ? OneLine(error.what()) : unknown,
                   fmt::format("{} --help explains the command", CommandPath(app)));
}

}  // namespace

int Run(const std::vector<std::string>& arguments, Context context) {
  CLI::App app(kDescription, "mansio");
  app.footer(kFooter);
  app.require_subcommand(1);
  AddGlobalOptions(app, context);
  AddTopic(app, context);
  AddDlq(app, context);
  AddGroup(app, context);
  AddClients(app, context);
  AddCluster(app, context);
  AddMessage(app, context);
  AddDelay(app, context);
  AddTransaction(app, context);
  AddBench(app, context);
  try {
    // CLI11 takes its arguments last first.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return ParseFailed(app, context, error);
  }
  return context.action();
}

}  // namespace mansio::command
