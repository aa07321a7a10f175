// mansio config: what the servers say of their configuration. They know their keys, so they are
// asked: the programs that were installed beside this one.
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/context.h"
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

// The exit code of a program, and what it wrote on its standard output. Its errors are ours.
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

int CheckConfig(const Context& context, const ConfigArguments& arguments) {
  std::vector<std::string> flags = {"--config", arguments.file, "--check-config"};
  for (const std::string& text : arguments.overrides) flags.insert(flags.end(), {"--set", text});
  const auto answer = RunProgram(ProgramOf(arguments.server), flags);
  if (!answer.ok()) return Fail(context, answer.status());
  *context.out << answer->out;
  return answer->code == 0 ? kOk : kCheckFailed;
}

// The paragraphs that begin with a key of that name, or one below it: "retention".
std::string ParagraphsOf(const std::string& explanation, const std::string& key) {
  std::string found;
  for (size_t at = 0; at < explanation.size();) {
    size_t end = explanation.find("\n\n", at);
    end = end == std::string::npos ? explanation.size() : end + 2;
    const std::string paragraph = explanation.substr(at, end - at);
    if (paragraph.starts_with(fmt::format("`{}`", key)) ||
        paragraph.starts_with(fmt::format("`{}.", key))) {
      found += paragraph;
    }
    at = end;
  }
  return found;
}

int ExplainConfig(const Context& context, const ConfigArguments& arguments) {
  const auto answer = RunProgram(ProgramOf(arguments.server), {"--explain-config"});
  if (!answer.ok()) return Fail(context, answer.status());
  if (answer->code != 0) return kFailed;
  const std::string text =
      arguments.key.empty() ? answer->out : ParagraphsOf(answer->out, arguments.key);
  if (text.empty()) {
    return Fail(context, absl::NotFoundError(
                             fmt::format("a {} has no key '{}'; mansio config explain lists all",
                                         arguments.server, EscapeForLog(arguments.key, 200))));
  }
  *context.out << text;
  return kOk;
}

void AddServer(CLI::App& verb, ConfigArguments& arguments) {
  OneOf(verb.add_option("--server", arguments.server, "Whose configuration"),
        {"broker", "nameserver"})
      ->capture_default_str();
}

}  // namespace

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
