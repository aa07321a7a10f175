#ifndef MANSIO_CLIENT_COMMAND_COMMAND_TREE_H_
#define MANSIO_CLIENT_COMMAND_COMMAND_TREE_H_

#include <functional>
#include <string>
#include <vector>

#include "client/command/context.h"

// The one table of all commands: nouns, their verbs, options, help and examples, as a tree of
// CLI::App. Parsing, completion, the cheat sheet and docs/cli.md are all made from it.
namespace mansio::command {

// The whole tree; what is parsed with it is written to `context`, which must outlive it.
void BuildTree(CLI::App& app, Context& context);

// Hidden commands are understood, but neither listed nor completed nor documented.
bool IsHidden(const CLI::App& app);

// The visible commands below `app`, in the order of the help.
std::vector<const CLI::App*> Below(const CLI::App& app);

// The visible command of that name below `app`; nullptr when there is none.
const CLI::App* FindCommand(const CLI::App& app, const std::string& name);

// The command that was given, as far as its words are known: "create" of "mansio topic create".
const CLI::App& Innermost(const CLI::App& app);

// "mansio topic create", from the words that were given.
std::string GivenPath(const CLI::App& app);

// Calls `visit` with each visible command without commands below it and its path ("mansio topic
// create"), in the order of the help.
void VisitVerbs(const CLI::App& app,
                const std::function<void(const std::string& path, const CLI::App& verb)>& visit);

// The example command lines in a command's help, without their indentation.
std::vector<std::string> ExamplesOf(const CLI::App& verb);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_COMMAND_TREE_H_
