#ifndef MANSIO_CLIENT_COMMAND_COMPLETION_H_
#define MANSIO_CLIENT_COMMAND_COMPLETION_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/context.h"

// Completion of command lines in shells. The shells' scripts are small: they call the hidden
// command `mansio __complete -- WORDS…`, which prints one candidate a line.
namespace mansio::command {

inline constexpr char kCompleteVerb[] = "__complete";

// What can stand at the end of an unfinished command line.
struct Candidates {
  enum class Kind { kWords, kFiles, kTopics, kGroups, kBrokers, kContexts, kKeys };
  Kind kind = Kind::kWords;
  std::vector<std::string> words;  // of kWords: those that begin with what was typed
  // Options that were typed before, and that finding names depends on.
  std::string endpoint;
  std::string saved_context;
};

// `words` are those after "mansio"; the last one is being typed and may be empty. Pure.
Candidates Complete(const CLI::App& tree, const std::vector<std::string>& words);

// `mansio __complete -- WORDS…`: prints the candidates, also names that the cluster, the user's
// contexts or a server's configuration know; ":files" alone means that the shell completes file
// names. Never an error.
int RunComplete(const std::vector<std::string>& words, Context context);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_COMPLETION_H_
