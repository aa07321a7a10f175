#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "client/command/context.h"
#include "common/sync/sync.h"

namespace {

// Columns of a terminal; 0 for what is none.
size_t WidthOf(int descriptor) {
  winsize size{};
  if (isatty(descriptor) != 1 || ioctl(descriptor, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

// Where the user's contexts are kept; empty when the environment does not say.
std::string ConfigDirectory() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return std::string(config) + "/mansio";
  const char* home = std::getenv("HOME");
  return home != nullptr && home[0] == '/' ? std::string(home) + "/.config/mansio" : "";
}

bool Sleep(absl::Duration duration) {
  absl::SleepFor(duration);
  return true;
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
  context.config_directory = ConfigDirectory();
  context.wait = Sleep;
  return mansio::command::Run(std::vector<std::string>(argv + 1, argv + argc), context);
}
