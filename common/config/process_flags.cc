#include "common/config/process_flags.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <ostream>

namespace mansio::config {

std::variant<ProcessFlags, ExitCode> ParseProcessFlags(const ProcessDescription& process, int argc,
                                                       const char* const* argv, std::ostream& out,
                                                       std::ostream& err) {
  ProcessFlags flags;
  bool version = false;
  CLI::App app(process.purpose, process.name);
  app.add_option("--config", flags.config_path,
                 "YAML file with the configuration; without it every key has its default")
      ->type_name("FILE");
  app.add_option("--set", flags.overrides, "Set one key, over what the file says; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--check-config", flags.check_config,
               "Check file and keys, say OK or list every mistake, and end");
  app.add_flag("--explain-config", flags.explain_config,
               "List every key with its meaning, default and accepted values, and end");
  app.add_flag("--version", version, "Print the version and end");
  app.footer(process.examples.empty() ? "" : fmt::format("\nExamples:\n{}", process.examples));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    out << app.help();
    return ExitCode{0};
  } catch (const CLI::Error& error) {
    err << fmt::format("{}: {}; see {} --help\n", process.name, error.what(), process.name);
    return ExitCode{1};
  }
  if (version) {
    out << fmt::format("{} {}\n", process.name, process.version);
    return ExitCode{0};
  }
  return flags;
}

void PrintConfigErrors(const ProcessDescription& process, const absl::Status& status,
                       std::ostream& err) {
  const std::string_view text(status.message().data(), status.message().size());
  err << fmt::format("{}: the configuration cannot be used:\n{}\n", process.name, text);
}

void PrintConfigIsGood(const ProcessFlags& flags, std::ostream& out) {
  out << fmt::format("OK: {}\n", flags.config_path.empty()
                                     ? "the defaults and --set values are good"
                                     : fmt::format("{} is good", flags.config_path));
}

void PrintExplanation(absl::Span<const Key> keys, std::ostream& out) { out << Explain(keys); }

}  // namespace mansio::config
