#include "client/command/command_tree.h"

#include <memory>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "client/command/help_format.h"
#include "client/lib/identity.h"

namespace mansio::command {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  mansio topic create orders                     a topic with 8 queues\n"
    "  mansio message send orders \"hello\"             one message\n"
    "  mansio message receive orders --group test     up to 32 that wait for the group test\n"
    "  mansio cluster list -o json                    the brokers, for a script\n"
    "\nmansio cheat shows more. Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 denied, "
    "5 unreachable,\n6 done in part, 7 a check found something wrong.";

// What -o says. Wide is the table that is never cut to the width of the terminal.
void ChooseFormat(Context& context, const std::string& word) {
  if (word == "wide") context.terminal_width = 0;
  context.format = word == "json" ? Format::kJson : word == "yaml" ? Format::kYaml : Format::kTable;
}

// How the cluster is reached.
void AddReach(CLI::App& app, Context& context) {
  app.add_option("--endpoint", context.client.endpoint,
                 "Any broker or nameserver, instead of the one of the context in use")
      ->envname("MANSIO_ENDPOINT")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  app.add_option("-c,--context", context.saved_context,
                 "The saved context to use (mansio context list), if not the one in use")
      ->type_name("CONTEXT");
  AddDuration(app, "--timeout", &context.client.request_timeout, "How long to wait for an answer");
  app.add_flag("--tls,!--no-tls", context.client.tls,
               "Encrypt the connection; any server certificate is accepted");
  app.add_option("--cluster-secret-file", context.cluster_secret_file,
                 "The file with the cluster's secret, to administer it from another machine")
      ->envname("MANSIO_CLUSTER_SECRET_FILE")
      ->type_name("FILE");
}

void AddGlobalOptions(CLI::App& app, Context& context) {
  AddReach(app, context);
  OneOf(app.add_option_function<std::string>(
            "-o,--output", [&context](const std::string& word) { ChooseFormat(context, word); },
            "What to print; wide is a table that is not cut to the terminal"),
        {"table", "wide", "json", "yaml"})
      ->default_str("table");
  // A flag with a value: as an option it would take the next word for its value.
  app.add_flag("--watch{2s}", context.watch,
               "Show it again every 2 s, or as often as --watch=5s says, until interrupted; for "
               "commands that only look");
  app.set_version_flag("--version", std::string("mansio ") + client::Version());
}

}  // namespace

void BuildTree(CLI::App& app, Context& context) {
  app.name("mansio");
  app.formatter(std::make_shared<HelpFormat>());
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
  AddConfig(app, context);
  AddContexts(app, context);
  AddCompletion(app, context);
  AddCheat(app, context);
  app.footer(kFooter);  // set last: the commands would inherit it
}

bool IsHidden(const CLI::App& app) { return app.get_group().empty(); }

std::vector<const CLI::App*> Below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !IsHidden(*sub); });
}

const CLI::App* FindCommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : Below(app)) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

const CLI::App& Innermost(const CLI::App& app) {
  const std::vector<CLI::App*> given = app.get_subcommands();
  return given.empty() ? app : Innermost(*given.back());
}

std::string GivenPath(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* sub : app.get_subcommands()) path += " " + GivenPath(*sub);
  return path;
}

void VisitVerbs(const CLI::App& app,
                const std::function<void(const std::string& path, const CLI::App& verb)>& visit) {
  const std::function<void(const std::string&, const CLI::App&)> walk =
      [&](const std::string& path, const CLI::App& command) {
        const std::vector<const CLI::App*> below = Below(command);
        if (below.empty()) visit(path, command);
        for (const CLI::App* sub : below) walk(path + " " + sub->get_name(), *sub);
      };
  walk(app.get_name(), app);
}

std::vector<std::string> ExamplesOf(const CLI::App& verb) {
  std::vector<std::string> examples;
  for (const absl::string_view line : absl::StrSplit(verb.get_footer(), '\n')) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    const bool indented = text.size() < line.size();
    if (indented && absl::StrContains(text, "mansio ")) examples.emplace_back(text);
  }
  return examples;
}

}  // namespace mansio::command
