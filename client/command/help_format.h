#ifndef MANSIO_CLIENT_COMMAND_HELP_FORMAT_H_
#define MANSIO_CLIENT_COMMAND_HELP_FORMAT_H_

#include <string>

#include "CLI/CLI.hpp"

namespace mansio::command {

// The look of --help: CLI11's, with lines that fit a terminal of 100 columns, and the same text in
// every run.
class HelpFormat : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_option_desc(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* sub) const override;
};

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_HELP_FORMAT_H_
