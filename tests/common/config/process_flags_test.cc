#include "common/config/process_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "common/files/recording_file_system.h"

namespace mansio::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct TestConfig {
  HostPort listen;
  int queues = 0;
};

class ProcessFlagsTest : public ::testing::Test {
 protected:
  ProcessFlagsTest() {
    schema_.Address("listen", &TestConfig::listen, "0.0.0.0:9876", "Where clients connect.")
        .Int("queues", &TestConfig::queues, 8, {1, 10}, "queues", "Queues of a topic.");
  }

  std::variant<TestConfig, ExitCode> Run(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "test-server");
    out_.str("");
    err_.str("");
    return ConfigFromCommandLine(process_, schema_, files_, static_cast<int>(arguments.size()),
                                 arguments.data(), out_, err_);
  }
  int CodeOfRun(std::vector<const char*> arguments) {
    const auto result = Run(std::move(arguments));
    return std::holds_alternative<ExitCode>(result) ? std::get<ExitCode>(result).value : -1;
  }

  const ProcessDescription process_{"test-server", "1.2.3", "Serves tests.",
                                    "  test-server --set listen=127.0.0.1:1"};
  Schema<TestConfig> schema_;
  RecordingFileSystem files_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ProcessFlagsTest, NoArgumentsGiveTheDefaults) {
  const auto result = Run({});
  ASSERT_TRUE(std::holds_alternative<TestConfig>(result)) << err_.str();
  EXPECT_EQ(std::get<TestConfig>(result).listen.port, 9876);
}

TEST_F(ProcessFlagsTest, FileAndRepeatedOverrides) {
  ASSERT_TRUE(ReplaceFile(files_, "/c.yaml", "queues: 3\nlisten: a:1\n").ok());
  const auto result = Run(
      {"--config", "/c.yaml", "--set", "queues=4", "--set=listen=[::1]:2", "--set", "queues=5"});
  ASSERT_TRUE(std::holds_alternative<TestConfig>(result)) << err_.str();
  EXPECT_EQ(std::get<TestConfig>(result).queues, 5);
  EXPECT_EQ(std::get<TestConfig>(result).listen, (HostPort{"::1", 2}));
}

TEST_F(ProcessFlagsTest, CheckConfigAnswersWithItsExitCode) {
  ASSERT_TRUE(ReplaceFile(files_, "/good.yaml", "queues: 3\n").ok());
  ASSERT_TRUE(ReplaceFile(files_, "/bad.yaml", "queues: 30\n").ok());
  EXPECT_EQ(CodeOfRun({"--config", "/good.yaml", "--check-config"}), 0);
  EXPECT_EQ(out_.str(), "OK: /good.yaml is good\n");
  EXPECT_EQ(CodeOfRun({"--config", "/bad.yaml", "--check-config"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("/bad.yaml:1: queues: '30' is not"));
  EXPECT_EQ(CodeOfRun({"--config", "/none.yaml"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("/none.yaml"));
}

TEST_F(ProcessFlagsTest, ExplainHelpAndVersion) {
  EXPECT_EQ(CodeOfRun({"--explain-config"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("`queues` (default 8)"));
  EXPECT_EQ(CodeOfRun({"--help"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("Serves tests."));
  EXPECT_THAT(out_.str(), HasSubstr("--set KEY=VALUE"));
  EXPECT_THAT(out_.str(), HasSubstr("test-server --set listen=127.0.0.1:1"));
  EXPECT_EQ(CodeOfRun({"--version"}), 0);
  EXPECT_EQ(out_.str(), "test-server 1.2.3\n");
}

TEST_F(ProcessFlagsTest, MistakesNameTheCure) {
  EXPECT_EQ(CodeOfRun({"--listen", "a:1"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--listen"));
  EXPECT_THAT(err_.str(), HasSubstr("see test-server --help"));
  EXPECT_EQ(CodeOfRun({"--set"}), 1);
  EXPECT_EQ(CodeOfRun({"--set", "queues=1", "queues=2"}), 1);
  EXPECT_EQ(CodeOfRun({"--config", "/a", "--config", "/b"}), 1);
}

}  // namespace
}  // namespace mansio::config
