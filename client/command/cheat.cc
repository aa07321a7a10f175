// mansio cheat: the examples of all commands on one page.
#include <fmt/format.h>

#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "client/command/command_tree.h"
#include "client/command/context.h"

namespace mansio::command {
namespace {

int PrintCheatSheet(const Context& context, const CLI::App& tree, const std::string& noun) {
  bool found = false;
  VisitVerbs(tree, [&](const std::string&, const CLI::App& verb) {
    const CLI::App& about = verb.get_parent() == &tree ? verb : *verb.get_parent();
    if (!noun.empty() && about.get_name() != noun) return;
    *context.out << fmt::format("{}# {}\n", found ? "\n" : "", verb.get_description());
    for (const std::string& example : ExamplesOf(verb)) *context.out << example << "\n";
    found = true;
  });
  if (found) return kOk;
  return FailUsage(context, fmt::format("'{}' is none of the commands", noun),
                   "mansio --help lists them");
}

}  // namespace

void AddCheat(CLI::App& app, Context& context) {
  CLI::App* verb = app.add_subcommand("cheat", "Show an example of every command, or of one noun");
  auto noun = std::make_shared<std::string>();
  verb->add_option("NOUN", *noun, "topic, group, dlq, ...");
  verb->footer("Example:\n  mansio cheat dlq");
  verb->fallthrough();
  verb->callback([&app, &context, noun] {
    context.needs_cluster = false;
    context.action = [&app, &context, noun] { return PrintCheatSheet(context, app, *noun); };
  });
}

}  // namespace mansio::command
