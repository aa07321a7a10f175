// What the commands print that touch no cluster: tests/client/golden/local.txt.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/golden.h"
#include "tests/process/process.h"

namespace mansio::command {
namespace {

constexpr char kConf[] = MANSIO_SOURCE_DIR "/conf";

class LocalGoldenTest : public CommandHarness {
 protected:
  LocalGoldenTest() {
    config_directory_ = directory_.Path("config");
    give_endpoint_ = false;
  }

  // What `mansio ARGUMENTS` prints, with the exit code.
  std::string Output(const std::vector<std::string>& arguments) {
    if (arguments[0] == "config") return OutputOfProgram(arguments);
    const int exit = Mansio(arguments);
    return Text(arguments, out_ + err_, exit);
  }
  // The same of the program, which looks for those of the servers beside itself.
  static std::string OutputOfProgram(const std::vector<std::string>& arguments) {
    const auto run = mansio::testing::RunToEnd(std::string(MANSIO_BIN_DIR) + "/mansio", arguments);
    return Text(arguments, run.out + run.err, run.code);
  }
  static std::string Text(const std::vector<std::string>& arguments, const std::string& printed,
                          int exit) {
    return absl::StrReplaceAll(fmt::format("$ mansio {}\n{}(exit code {})\n\n",
                                           absl::StrJoin(arguments, " "), printed, exit),
                               {{kConf, "conf"}});
  }

  mansio::testing::TemporaryDirectory directory_;
};

TEST_F(LocalGoldenTest, EveryCommand) {
  const std::string conf = kConf;
  std::string all;
  const std::vector<std::vector<std::string>> cases = {
      {"context", "add", "here", "--endpoint", "127.0.0.1:8081"},
      {"context", "add", "there", "--endpoint", "10.0.0.5:9876", "--tls"},
      {"context", "add", "there", "--endpoint", "10.0.0.6:9876"},
      {"context", "use", "there"},
      {"context", "use", "nowhere"},
      {"context", "list"},
      {"config", "check", conf + "/broker.yaml"},
      {"config", "check", conf + "/nameserver.yaml"},
      {"config", "check", conf + "/broker.yaml", "--set", "durability=perhaps"},
      {"config", "explain", "retention.age"},
      {"config", "explain", "retntion.age"},
      {"cheat", "delay"},
      {"completion", "bash"},
      {"completion", "zsh"},
      {"completion", "fish"}};
  for (std::vector<std::string> arguments : cases) {
    all += Output(arguments);
    arguments.insert(arguments.end(), {"-o", "json"});
    all += Output(arguments);
  }
  all += Output({"context", "remove", "there", "--yes"});
  all += Output({"context", "remove", "here", "--yes", "-o", "json"});
  mansio::testing::ExpectGolden("tests/client/golden/local.txt", all);
}

}  // namespace
}  // namespace mansio::command
