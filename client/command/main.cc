#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "client/command/context.h"
#include "common/sync/sync.h"

int main(int argc, char** argv) {
  mansio::TurnOffDeadlockDetection();
  mansio::command::Context context;
  context.in = &std::cin;
  context.out = &std::cout;
  context.err = &std::cerr;
  context.in_is_terminal = isatty(STDIN_FILENO) == 1;
  winsize size{};
  if (isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    context.terminal_width = size.ws_col;
  }
  return mansio::command::Run(std::vector<std::string>(argv + 1, argv + argc), context);
}
