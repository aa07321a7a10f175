#ifndef MANSIO_TESTS_CLIENT_COMMAND_HARNESS_H_
#define MANSIO_TESTS_CLIENT_COMMAND_HARNESS_H_

#include <gtest/gtest.h>

#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "client/command/context.h"
#include "tests/client/fake_node.h"

namespace mansio::command {

// The command `mansio` from its arguments to its output and exit code, against a node in this
// process.
class CommandHarness : public ::testing::Test {
 protected:
  // Runs `mansio --endpoint ENDPOINT ARGUMENTS` and returns the exit code; without the endpoint
  // when give_endpoint_ is false.
  int Mansio(std::vector<std::string> arguments, const std::string& input = "",
             bool terminal = false) {
    arguments.insert(arguments.begin(), {"--timeout", "30s"});
    if (give_endpoint_) arguments.insert(arguments.begin(), {"--endpoint", endpoint_});
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Context context;
    context.in = &in;
    context.out = &out;
    context.err = &err;
    context.in_is_terminal = terminal;
    context.config_directory = config_directory_;
    context.wait = wait_;
    const int exit = command::Run(arguments, context);
    out_ = out.str();
    err_ = err.str();
    return exit;
  }

  client::FakeNode node_;
  std::string endpoint_ = node_.endpoint();
  bool give_endpoint_ = true;
  std::string config_directory_;              // empty: the user has none
  std::function<bool(absl::Duration)> wait_;  // between rounds of --watch
  std::string out_;
  std::string err_;
};

}  // namespace mansio::command

#endif  // MANSIO_TESTS_CLIENT_COMMAND_HARNESS_H_
