// mansio config: what the servers say of their configuration. They know their keys, so they are
// asked: the programs that were installed beside this one.
#include "client/command/config_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string_view>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/command/context.h"
#include "common/names/edit_distance.h"
#include "common/names/utf8.h"

namespace mansio::command {
namespace {

struct ConfigArguments {
  std::string server = "broker";
  std::string file;
  std::vector<std::string> overrides;
  std::string key;
};

// Beside this program; elsewhere in the PATH.
std::string ProgramOf(const std::string& server) {
  const std::string name = "mansio-" + server;
  std::error_code error;
  const std::filesystem::path own = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path beside = own.parent_path() / name;
  return !error && std::filesystem::exists(beside, error) ? beside.string() : name;
}

// The exit code of a program, and all that it wrote.
struct Answer {
  int code = 0;
  std::string out;
};

absl::StatusOr<Answer> RunProgram(const std::string& program,
                                  const std::vector<std::string>& arguments) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return absl::InternalError("cannot make a pipe");
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
  pid_t child = 0;
  const int failed = posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_ends[1]);
  Answer answer;
  char buffer[4096];
  for (ssize_t got = 1; failed == 0 && got > 0;) {
    got = read(pipe_ends[0], buffer, sizeof(buffer));
    if (got > 0) answer.out.append(buffer, static_cast<size_t>(got));
    if (got < 0 && errno == EINTR) got = 1;
  }
  close(pipe_ends[0]);
  if (failed != 0) {
    return absl::NotFoundError(
        fmt::format("cannot run {}: {}; install it beside mansio", program, std::strerror(failed)));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  return answer;
}

absl::StatusOr<Answer> AskForCheck(const ConfigArguments& arguments, const std::string& server) {
  std::vector<std::string> flags = {"--config", arguments.file, "--check-config"};
  for (const std::string& text : arguments.overrides) flags.insert(flags.end(), {"--set", text});
  return RunProgram(ProgramOf(server), flags);
}

// "conf/broker.yaml:12: limits.body: ..." as a line and a sentence; the line is null for what is
// said of an override or of the whole.
Json MistakeJson(const std::string& text, const std::string& file) {
  const std::string prefix = file + ":";
  int line = 0;
  const size_t colon = text.find(": ");
  if (text.starts_with(prefix) && colon != std::string::npos && colon > prefix.size() &&
      absl::SimpleAtoi(text.substr(prefix.size(), colon - prefix.size()), &line)) {
    return {{"line", line}, {"text", text.substr(colon + 2)}};
  }
  return {{"line", nullptr}, {"text", text}};
}

int CheckConfig(const Context& context, const ConfigArguments& arguments) {
  const auto answer = AskForCheck(arguments, arguments.server);
  if (!answer.ok()) return Fail(context, answer.status());
  const bool good = answer->code == 0;
  // The first line of an answer that is not good says only that.
  std::vector<std::string> lines = absl::StrSplit(answer->out, '\n', absl::SkipEmpty());
  if (!good && lines.size() > 1) lines.erase(lines.begin());
  if (good) lines.clear();
  if (context.format != Format::kTable) {
    Json mistakes = Json::array();
    for (const std::string& line : lines) mistakes.push_back(MistakeJson(line, arguments.file));
    context.Print({{"file", arguments.file},
                   {"server", arguments.server},
                   {"good", good},
                   {"mistakes", std::move(mistakes)}});
    return good ? kOk : kCheckFailed;
  }
  if (good) {
    context.Say(fmt::format("OK: {} is good", arguments.file));
    return kOk;
  }
  *context.err << fmt::format("the configuration of a {} has {}:\n", arguments.server,
                              lines.size() == 1 ? "a mistake" : "mistakes");
  for (const std::string& line : lines) *context.err << line << "\n";
  const std::string other = arguments.server == "broker" ? "nameserver" : "broker";
  if (const auto second = AskForCheck(arguments, other); second.ok() && second->code == 0) {
    *context.err << fmt::format("hint: it is a good one of a {}: --server {}\n", other, other);
  }
  return kCheckFailed;
}

// ---- keys ----

// A paragraph of the explanation: "`retention.age` (default 3d)" and indented lines.
Json KeyJson(std::string_view paragraph) {
  const size_t end = paragraph.find('\n');
  std::string_view head = paragraph.substr(0, end);
  const size_t quote = head.find('`', 1);
  constexpr std::string_view kDefault = "` (default ";
  std::string value(head.substr(quote + kDefault.size()));
  if (!value.empty()) value.pop_back();
  std::string text;
  for (const absl::string_view line :
       absl::StrSplit(std::string(paragraph.substr(end + 1)), '\n', absl::SkipWhitespace())) {
    if (!text.empty()) text += ' ';
    const absl::string_view words = absl::StripAsciiWhitespace(line);
    text.append(words.data(), words.size());
  }
  return {{"key", std::string(head.substr(1, quote - 1))},
          {"default", value == "empty" ? "" : value},
          {"explanation", text}};
}

// The paragraphs of the key of that name, or of those below it: "retention". All for an empty one.
std::vector<std::string> ParagraphsOf(const std::string& explanation, const std::string& key) {
  std::vector<std::string> found = absl::StrSplit(explanation, "\n\n", absl::SkipWhitespace());
  std::erase_if(found, [&](const std::string& paragraph) {
    return !key.empty() && !paragraph.starts_with(fmt::format("`{}`", key)) &&
           !paragraph.starts_with(fmt::format("`{}.", key));
  });
  return found;
}

// ", did you mean retention.age?", or nothing.
std::string Nearest(const std::string& explanation, const std::string& key) {
  std::string nearest;
  size_t least = MostEditsOfAMistake(key) + 1;
  for (const std::string& paragraph : ParagraphsOf(explanation, "")) {
    const std::string name = KeyJson(paragraph)["key"];
    const size_t distance = EditDistance(name, key);
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest.empty() ? "" : fmt::format("; did you mean {}?", nearest);
}

int ExplainConfig(const Context& context, const ConfigArguments& arguments) {
  const auto answer = RunProgram(ProgramOf(arguments.server), {"--explain-config"});
  if (!answer.ok()) return Fail(context, answer.status());
  if (answer->code != 0) return Fail(context, absl::InternalError(answer->out));
  const std::vector<std::string> paragraphs = ParagraphsOf(answer->out, arguments.key);
  if (paragraphs.empty()) {
    const std::string key = arguments.key.substr(0, 100);
    return Fail(context, absl::NotFoundError(fmt::format(
                             "a {} has no key '{}'{}; mansio config explain lists all",
                             arguments.server, EscapeForLog(key), Nearest(answer->out, key))));
  }
  if (context.format == Format::kTable) {
    *context.out << fmt::format("{}\n", fmt::join(paragraphs, "\n\n"));
    return kOk;
  }
  Json rows = Json::array();
  for (const std::string& paragraph : paragraphs) rows.push_back(KeyJson(paragraph));
  context.Print(rows);
  return kOk;
}

void AddServer(CLI::App& verb, ConfigArguments& arguments) {
  OneOf(verb.add_option("--server", arguments.server, "Whose configuration"),
        {"broker", "nameserver"})
      ->capture_default_str();
}

}  // namespace

std::vector<std::string> ConfigKeys(const std::string& server) {
  std::vector<std::string> keys;
  const auto answer = RunProgram(ProgramOf(server), {"--explain-config"});
  if (!answer.ok() || answer->code != 0) return keys;
  for (const std::string& paragraph : ParagraphsOf(answer->out, "")) {
    keys.push_back(KeyJson(paragraph)["key"]);
  }
  return keys;
}

void AddConfig(CLI::App& app, Context& context) {
  CLI::App* noun = app.add_subcommand("config", "Check and explain the configuration of servers");
  noun->require_subcommand(1)->fallthrough();
  auto arguments = std::make_shared<ConfigArguments>();
  const auto add = [&](const char* name, const char* description,
                       int (*run)(const Context&, const ConfigArguments&)) {
    CLI::App* verb = noun->add_subcommand(name, description);
    AddServer(*verb, *arguments);
    verb->fallthrough();
    verb->callback([&context, arguments, run] {
      context.needs_cluster = false;
      context.action = [&context, arguments, run] { return run(context, *arguments); };
    });
    return verb;
  };
  CLI::App* check = add("check",
                        "Say what is wrong with a configuration file, with lines; the exit code is "
                        "7 when something is",
                        CheckConfig);
  check->add_option("FILE", arguments->file, "The file")->required()->type_name("FILE");
  check->add_option("--set", arguments->overrides, "On top of the file; can be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  check->footer("Example:\n  mansio config check conf/broker.yaml --set durability=async");
  CLI::App* explain = add("explain", "Explain a key, those below a name, or all", ExplainConfig);
  explain->add_option("KEY", arguments->key, "retention.age, or retention for all of its keys");
  explain->footer("Example:\n  mansio config explain retention");
}

}  // namespace mansio::command
