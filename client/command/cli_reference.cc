#include "client/command/cli_reference.h"

#include <fmt/format.h>

#include "client/command/command_tree.h"
#include "client/command/mqadmin.h"

namespace mansio::command {
namespace {

constexpr char kIntroduction[] = R"(# The command `mansio`

`mansio NOUN VERB` administers and tries out a cluster. This page is the command's own help
(`mansio --help`, `mansio topic create --help`); it is generated, so do not edit it.

Every command talks to the address of `--endpoint`; without it to `MANSIO_ENDPOINT`, else to the
context in use (`mansio context use`), else to 127.0.0.1:8081. Options may stand before or after the
command. Contexts are in `contexts.yaml` in `$XDG_CONFIG_HOME/mansio`, or `~/.config/mansio`.

What destroys something asks for its name on a terminal, and needs `--yes` elsewhere. `-o json` and
`-o yaml` print the same fields under names that stay; errors then are an object `error` with
`code`, `message` and mostly `hint`, on the standard error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | the command line, a saved context or a confirmation was wrong or missing; nothing was done |
| 3 | what was named does not exist |
| 4 | denied |
| 5 | nobody answers |
| 6 | done in part: some broker refused, or not all messages were served |
| 7 | a check found something wrong |

)";

// CLI11 ends some lines with blanks.
std::string WithoutTrailingBlanks(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') out.erase(out.find_last_not_of(' ') + 1);
    out += c;
  }
  out.erase(out.find_last_not_of('\n') + 1);
  return out;
}

void AddHelp(const CLI::App& command, const std::string& parents, int level, std::string* out) {
  const std::string path =
      parents.empty() ? command.get_name() : fmt::format("{} {}", parents, command.get_name());
  // help() is not const, but only reads a tree that has parsed nothing.
  const std::string help = const_cast<CLI::App&>(command).help(parents);
  *out += fmt::format("{} {}\n\n```text\n{}\n```\n\n", std::string(level, '#'), path,
                      WithoutTrailingBlanks(help));
  for (const CLI::App* below : Below(command)) {
    AddHelp(*below, path, std::min(level + 1, 4), out);
  }
}

std::string MqadminTable() {
  std::string out =
      "## Commands of mqadmin\n\n"
      "`mansio mqadmin COMMAND` takes these with mqadmin's own options (`-n`, `-t`, `-g`, ...) and "
      "says what it runs.\n\n| mqadmin | mansio |\n|---|---|\n";
  for (const MqadminName& known : MqadminNames()) {
    out += fmt::format("| `{}` | `{}` |\n", known.name, CounterpartOf(known.name));
  }
  return out;
}

}  // namespace

std::string CliReference(const CLI::App& tree) {
  std::string out = kIntroduction;
  AddHelp(tree, "", 2, &out);
  return out + MqadminTable();
}

}  // namespace mansio::command
