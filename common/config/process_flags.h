#ifndef MANSIO_COMMON_CONFIG_PROCESS_FLAGS_H_
#define MANSIO_COMMON_CONFIG_PROCESS_FLAGS_H_

// The command line that both servers share:
//
//   mansio-broker [--config FILE] [--set key=value]... [--check-config] [--explain-config]
//                 [--version] [--help]

#include <iosfwd>
#include <string>
#include <variant>
#include <vector>

#include "common/config/schema.h"
#include "common/files/file_system.h"

namespace mansio::config {

// Who the process is, for --help and --version.
struct ProcessDescription {
  std::string name;      // "mansio-broker"
  std::string version;   // "0.1.0"
  std::string purpose;   // one sentence
  std::string examples;  // shown at the end of --help, one command per line
};

// A process ends with this code; everything has been printed.
struct ExitCode {
  int value = 0;
};

struct ProcessFlags {
  std::string config_path;             // empty: defaults
  std::vector<std::string> overrides;  // "key=value", in the order given
  bool check_config = false;
  bool explain_config = false;
};

// Reads the command line. --help and --version are answered on `out` (exit code 0), mistakes on
// `err` with the cure (exit code 1). Never throws.
std::variant<ProcessFlags, ExitCode> ParseProcessFlags(const ProcessDescription& process, int argc,
                                                       const char* const* argv, std::ostream& out,
                                                       std::ostream& err);

// Prints the outcome of --check-config or of a configuration that cannot be used.
void PrintConfigErrors(const ProcessDescription& process, const absl::Status& status,
                       std::ostream& err);
void PrintConfigIsGood(const ProcessFlags& flags, std::ostream& out);
void PrintExplanation(absl::Span<const Key> keys, std::ostream& out);

// Everything from the command line to the configuration; or the exit code when the process has
// nothing left to do (0: an answer was printed; 1: a mistake was).
template <typename Config>
std::variant<Config, ExitCode> ConfigFromCommandLine(const ProcessDescription& process,
                                                     const Schema<Config>& schema,
                                                     FileSystem& files, int argc,
                                                     const char* const* argv, std::ostream& out,
                                                     std::ostream& err) {
  auto parsed = ParseProcessFlags(process, argc, argv, out, err);
  if (const auto* code = std::get_if<ExitCode>(&parsed)) return *code;
  const ProcessFlags& flags = std::get<ProcessFlags>(parsed);
  if (flags.explain_config) {
    PrintExplanation(schema.keys(), out);
    return ExitCode{0};
  }
  auto config = LoadConfig(files, schema, flags.config_path, flags.overrides);
  if (!config.ok()) {
    PrintConfigErrors(process, config.status(), err);
    return ExitCode{1};
  }
  if (flags.check_config) {
    PrintConfigIsGood(flags, out);
    return ExitCode{0};
  }
  return *std::move(config);
}

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_PROCESS_FLAGS_H_
