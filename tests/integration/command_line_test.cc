// What both servers do before they serve: configuration checked, and each reason not to start told
// in a sentence that names its cause.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/integration/server_process.h"

namespace mansio::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// Those that say why a server does not start.
std::vector<std::string> Reasons(std::istream&& text) {
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.find("cannot start: ") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

// Of the one log file in `directory`.
std::vector<std::string> ReasonsInLog(const std::string& directory) {
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.is_symlink()) return Reasons(std::ifstream(entry.path()));
  }
  return {};
}

// "mansio-broker" or "mansio-nameserver".
class CommandLineTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Ends by itself, or the test runs into its time limit.
  Finished RunServer(const std::vector<std::string>& arguments) {
    return RunToEnd(Binary(GetParam()), arguments);
  }
  // The settings of a server that would start: a free address and a directory of its own.
  std::vector<std::string> Settings(const std::string& listen) const {
    const std::string key = GetParam() == "mansio-broker" ? "store.path" : "tls.generated-dir";
    return {"--set", "listen=" + listen, "--set", key + "=" + directory_.Path("data")};
  }
  std::string WriteConfig(const std::string& content) const {
    std::ofstream(directory_.Path("config.yaml")) << content;
    return directory_.Path("config.yaml");
  }
  void ExpectMistake(const Finished& run, const std::vector<std::string>& says) {
    EXPECT_EQ(run.code, 1) << run.err;
    for (const std::string& text : says) EXPECT_THAT(run.err, HasSubstr(text));
    EXPECT_THAT(run.err, Not(HasSubstr("ready")));
  }

  const TemporaryDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Servers, CommandLineTest,
                         ::testing::Values("mansio-broker", "mansio-nameserver"),
                         [](const auto& server) {
                           return server.param == "mansio-broker" ? "Broker" : "Nameserver";
                         });

TEST_P(CommandLineTest, HelpAndVersionAreAnswers) {
  const Finished help = RunServer({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.out, AllOf(HasSubstr("--config"), HasSubstr("--check-config")));
  const Finished version = RunServer({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_THAT(version.out, ContainsRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST_P(CommandLineTest, AnUnknownOptionIsNamed) {
  ExpectMistake(RunServer({"--lisen=1"}), {"--lisen"});
}

TEST_P(CommandLineTest, MistakesInTheFileAreNamedWithTheirLines) {
  const std::string file =
      WriteConfig("listen: 127.0.0.1:8081\nlisen: 1\nlimits:\n  clients: few\n");
  for (const bool check : {false, true}) {
    std::vector<std::string> arguments = {"--config", file};
    if (check) arguments.push_back("--check-config");
    ExpectMistake(RunServer(arguments), {file + ":2", "unknown key 'lisen'", "did you mean listen?",
                                         file + ":4", "limits.clients", "a whole number from"});
  }
}

TEST_P(CommandLineTest, MistakesInOverridesAreNamed) {
  ExpectMistake(RunServer({"--set", "lisen=1", "--set", "limits.clients=0", "--set", "listen"}),
                {"lisen", "limits.clients", "key=value"});
}

TEST_P(CommandLineTest, AMissingFileIsNamed) {
  ExpectMistake(RunServer({"--config", directory_.Path("none.yaml")}), {"none.yaml"});
}

TEST_P(CommandLineTest, CheckConfigStartsNothing) {
  std::vector<std::string> arguments = Settings(FreeAddress());
  arguments.push_back("--check-config");
  const Finished run = RunServer(arguments);
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out, "");
  EXPECT_FALSE(std::filesystem::exists(directory_.Path("data")));
}

TEST_P(CommandLineTest, ReadyConfigurationsAreGood) {
  const std::string name = GetParam().substr(std::string("mansio-").size());
  const std::string file = std::string(MANSIO_SOURCE_DIR) + "/conf/" + name + ".yaml";
  const Finished run = RunServer({"--config", file, "--check-config"});
  EXPECT_EQ(run.code, 0) << run.err;
}

TEST_P(CommandLineTest, ATakenPortIsNamedWithItsHolder) {
  NameserverProcess holder;
  holder.Start();
  ExpectMistake(RunServer(Settings(holder.address())),
                {"cannot start", holder.address(), std::to_string(holder.pid())});
  EXPECT_EQ(holder.Stop(), 0);
}

TEST_P(CommandLineTest, WhyItCannotStartIsOneErrorOfTheLog) {
  NameserverProcess holder;
  holder.Start();
  std::vector<std::string> arguments = Settings(holder.address());
  EXPECT_THAT(Reasons(std::istringstream(RunServer(arguments).err)), ElementsAre(StartsWith("E")));

  const std::string logs = directory_.Path("logs");
  arguments.insert(arguments.end(), {"--set", "log.dir=" + logs});
  EXPECT_THAT(Reasons(std::istringstream(RunServer(arguments).err)),
              ElementsAre(StartsWith(GetParam())));
  EXPECT_THAT(ReasonsInLog(logs), ElementsAre(StartsWith("E")));
  EXPECT_EQ(holder.Stop(), 0);
}

TEST_P(CommandLineTest, AnUnusableLogDirectoryIsAnErrorOfTheLog) {
  std::vector<std::string> arguments = Settings(FreeAddress());
  arguments.insert(arguments.end(), {"--set", "log.dir=/proc/mansio"});
  const Finished run = RunServer(arguments);
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(Reasons(std::istringstream(run.err)),
              ElementsAre(AllOf(StartsWith("E"), HasSubstr("/proc/mansio"))));
}

TEST_P(CommandLineTest, AnUnusableCertificateIsNamed) {
  std::vector<std::string> arguments = Settings(FreeAddress());
  arguments.insert(arguments.end(),
                   {"--set", "tls.certificate=/no/such.crt", "--set", "tls.key=/no/such.key"});
  ExpectMistake(RunServer(arguments), {"cannot start", "/no/such.crt"});
}

Finished RunBroker(const std::vector<std::string>& settings) {
  std::vector<std::string> arguments = {"--set", "listen=" + FreeAddress()};
  for (const std::string& setting : settings) {
    arguments.insert(arguments.end(), {"--set", setting});
  }
  return RunToEnd(Binary("mansio-broker"), arguments);
}

TEST(BrokerCommandLineTest, ADurabilityOfGroupsNeedsTheMembersNumber) {
  const TemporaryDirectory directory;
  for (const char* word : {"replica", "replica-sync"}) {
    const Finished run =
        RunBroker({"store.path=" + directory.Path("data"), std::string("durability=") + word});
    EXPECT_EQ(run.code, 1);
    EXPECT_THAT(run.err, AllOf(HasSubstr("durability"), HasSubstr("broker.id")));
  }
  const Finished unknown = RunBroker({"durability=most"});
  EXPECT_EQ(unknown.code, 1);
  EXPECT_THAT(unknown.err, HasSubstr("one of async, sync"));
}

TEST(BrokerCommandLineTest, AMemberWhoseMasterWaitsForNobodyIsToldOnce) {
  BrokerProcess broker({"broker.id=1", "durability=sync"});
  broker.Start();
  EXPECT_EQ(broker.Stop(), 0);
  std::istringstream log(broker.Log());
  std::vector<std::string> notices;
  for (std::string line; std::getline(log, line);) {
    if (line.find("durability is sync") != std::string::npos) notices.push_back(line);
  }
  EXPECT_THAT(notices, ElementsAre(AllOf(StartsWith("W"), HasSubstr("replica-sync"),
                                         HasSubstr("replication.min-in-sync"))));
}

TEST(BrokerCommandLineTest, ASecondBrokerOnTheDirectoryIsRefused) {
  BrokerProcess broker;
  broker.Start();
  ASSERT_TRUE(broker.CreateTopic("orders").ok());
  const Finished second = RunBroker({"store.path=" + broker.data()});
  EXPECT_EQ(second.code, 1);
  EXPECT_THAT(second.err, AllOf(HasSubstr("cannot start"), HasSubstr(broker.data())));
  const auto receipt = broker.Producer()->Send(MessageTo("orders", "still served"));
  ASSERT_TRUE(receipt.ok()) << receipt.status();
  EXPECT_TRUE(receipt->status.ok()) << receipt->status;
  EXPECT_EQ(broker.Stop(), 0);
}

TEST(BrokerCommandLineTest, ADirectoryThatCannotBeWrittenIsNamed) {
  const Finished refused = RunBroker({"store.path=/proc/mansio"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err, AllOf(HasSubstr("cannot start"), HasSubstr("/proc/mansio")));
}

}  // namespace
}  // namespace mansio::testing
