#ifndef MANSIO_CLIENT_COMMAND_CONTEXT_H_
#define MANSIO_CLIENT_COMMAND_CONTEXT_H_

#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/command/output.h"
#include "client/lib/client_options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace mansio::command {

// What the process exits with; scripts rely on the values.
enum ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotFound = 3,
  kDenied = 4,
  kUnreachable = 5,
  kPartial = 6,      // some of what was asked was done
  kCheckFailed = 7,  // a check found something wrong
};

// The options before or after any command, and where its output goes.
struct Context {
  client::ClientOptions client;
  std::string cluster_secret_file;  // empty: none
  std::string saved_context;        // --context; empty: the one in use
  Format format = Format::kTable;
  std::istream* in = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  bool in_is_terminal = false;
  size_t terminal_width = 0;     // 0: the output is not a terminal
  size_t error_width = 0;        // the same of the error stream
  std::string config_directory;  // of the user, for contexts.yaml; empty: there is none
  std::string watch;             // the duration behind --watch; empty: once
  // Waits before the next round of --watch. Returns false to end it.
  std::function<bool(absl::Duration)> wait;
  // The chosen command; set while the command line is parsed, run after it.
  std::function<int()> action;
  // Whether it calls a server, so that address and secret must be known.
  bool needs_cluster = true;

  // Prints a command's result in the chosen format.
  void Print(const Json& value) const;
  // Prints a sentence for people; nothing in the formats for programs.
  void Say(const std::string& sentence) const;
};

// Prints an error: a public code's name, a sentence, and what to do (may be empty), as text or, in
// the formats for programs, as an object `error` with these fields; on the error stream.
void PrintError(const Context& context, const std::string& code, const std::string& message,
                const std::string& hint);

// Prints `status` as an error, with a hint what to do. Returns the exit code that goes with it.
int Fail(const Context& context, const absl::Status& status);

// The same for a mistake on the command line; returns kUsage.
int FailUsage(const Context& context, const std::string& message, const std::string& hint);

// Asks on a terminal that `name` be typed before something is destroyed. Returns true when that was
// done or `yes` is set; otherwise the refusal was printed.
bool Confirm(const Context& context, bool yes, const std::string& what, const std::string& name);

// Asks on a terminal whether to go on with what changes much: "sets ... to ...". Returns true when
// the answer is yes, when `yes` is set, and when nobody can be asked; otherwise the refusal was
// printed.
bool Agree(const Context& context, bool yes, const std::string& what);

// Adds an option that takes a duration such as 500ms, 3s, 2m or 1d; a plain number means seconds.
void AddDuration(CLI::App& app, const std::string& name, absl::Duration* value,
                 const std::string& description);

// `text` as AddDuration reads it; kInvalidArgument says what is allowed.
absl::StatusOr<absl::Duration> ParseInterval(const std::string& text);
// The same for the value of `option`. Throws CLI::ValidationError.
absl::Duration IntervalOf(const std::string& option, const std::string& text);

// Restricts an option to `words` and shows them in its help, where completion finds them. Returns
// the option.
CLI::Option* OneOf(CLI::Option* option, std::initializer_list<const char*> words);

// Each adds one noun and its verbs.
void AddTopic(CLI::App& app, Context& context);
void AddDelay(CLI::App& app, Context& context);
void AddDlq(CLI::App& app, Context& context);
void AddGroup(CLI::App& app, Context& context);
void AddClients(CLI::App& app, Context& context);
void AddCluster(CLI::App& app, Context& context);
void AddMessage(CLI::App& app, Context& context);
void AddTransaction(CLI::App& app, Context& context);
void AddBench(CLI::App& app, Context& context);
void AddConfig(CLI::App& app, Context& context);
void AddContexts(CLI::App& app, Context& context);
void AddCompletion(CLI::App& app, Context& context);
void AddCheat(CLI::App& app, Context& context);

// Runs the command `mansio` with the arguments after the program's name. Streams and terminal
// properties come from `context`; its options are set from the arguments. Returns the exit code.
int Run(std::vector<std::string> arguments, Context context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CONTEXT_H_
