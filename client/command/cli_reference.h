#ifndef MANSIO_CLIENT_COMMAND_CLI_REFERENCE_H_
#define MANSIO_CLIENT_COMMAND_CLI_REFERENCE_H_

#include <string>

#include "CLI/CLI.hpp"

namespace mansio::command {

// docs/cli.md: the help of every visible command, as Markdown. Pure.
std::string CliReference(const CLI::App& tree);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_CLI_REFERENCE_H_
