#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "client/command/context.h"
#include "common/sync/sync.h"

namespace {

// Columns of a terminal; 0 for what is none.
size_t WidthOf(int descriptor) {
  winsize size{};
  if (isatty(descriptor) != 1 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  mansio::command::Context context;
  context.in = &std::cin;
  context.out = &std::cout;
  context.err = &std::cerr;
  context.in_is_terminal = isatty(STDIN_FILENO) == 1;
  context.terminal_width = WidthOf(STDOUT_FILENO);
  context.error_width = WidthOf(STDERR_FILENO);
  return mansio::command::Run(std::vector<std::string>(argv + 1, argv + argc), context);
}
