#include "common/logging/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace mansio::logging {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Logging, AnEventIsOneLineWhateverItContains) {
  LogCapture capture;
  LOG_INFO("topic {} created", "orders");
  LOG_WARNING("first\nE1121 forged line\x1b[2J\xff end");
  EXPECT_THAT(capture.lines(),
              ElementsAre("topic orders created", "first\\nE1121 forged line\\x1b[2J\\xff end"));
  EXPECT_TRUE(capture.Contains("orders"));
  EXPECT_FALSE(capture.Contains("payments"));
}

TEST(RateLimit, PassesOncePerIntervalAndCountsTheRest) {
  RateLimit limit(absl::Seconds(10));
  EXPECT_EQ(limit.Admit(absl::Seconds(100)), 0u);
  EXPECT_EQ(limit.Admit(absl::Seconds(100)), std::nullopt);
  EXPECT_EQ(limit.Admit(absl::Seconds(109)), std::nullopt);
  EXPECT_EQ(limit.Admit(absl::Seconds(110)), 2u);
  EXPECT_EQ(limit.Admit(absl::Seconds(200)), 0u);
  EXPECT_EQ(WithLeftOut("x", 0), "x");
  EXPECT_THAT(WithLeftOut("x", 2), HasSubstr("2 more"));
}

TEST(RateLimit, MacroLimitsEachPlaceByItself) {
  LogCapture capture;
  for (int i = 0; i < 5; ++i) {
    LOG_WARNING_EVERY(absl::Hours(1), "first place {}", i);
    LOG_ERROR_EVERY(absl::Hours(1), "second place {}", i);
  }
  EXPECT_THAT(capture.lines(), ElementsAre("first place 0", "second place 0"));
}

TEST(RateLimit, ExactlyOneOfManyThreadsPasses) {
  RateLimit limit(absl::Hours(1));
  std::atomic<int> passed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1'000; ++i) passed += limit.Admit(absl::Seconds(5)).has_value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(passed.load(), 1);
}

// glog is initialised once per process, so these run in children of their own.
class LoggingDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(LoggingDeathTest, FatalIsOneSentenceAndExitCodeOne) {
  EXPECT_EXIT(
      {
        InitLogging("test", {}).IgnoreError();
        Fatal("cannot listen on 1.2.3.4:80: address in use; choose another port");
      },
      ::testing::ExitedWithCode(1), "E.*cannot listen on 1.2.3.4:80: address in use");
  EXPECT_EXIT({ Fatal("before the initialisation"); }, ::testing::ExitedWithCode(1),
              "before the initialisation");
}

TEST_F(LoggingDeathTest, AnAnnouncedErrorIsOneLineWhereTheLogIsNotInFiles) {
  EXPECT_EXIT(
      {
        InitLogging("test", {}).IgnoreError();
        Announce("cannot start", Level::kError);
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "^E[^\n]*cannot start\n$");
}

TEST_F(LoggingDeathTest, FilesGetEverythingAndStandardErrorTheAnnouncement) {
  // The child runs this test again from the start; the variable tells it the parent's directory.
  constexpr char kVariable[] = "MANSIO_LOGGING_TEST_DIRECTORY";
  if (getenv(kVariable) == nullptr) {
    std::string pattern = ::testing::TempDir() + "/mansio-log-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    setenv(kVariable, pattern.c_str(), 1);
  }
  const std::string directory = getenv(kVariable);
  EXPECT_EXIT(
      {
        const absl::Status status = InitLogging("test", {.directory = directory + "/logs"});
        LOG_INFO("hidden in the file");
        Announce("ready");
        Announce("cannot go on", Level::kError);
        Flush();
        std::_Exit(status.ok() ? 7 : 8);
      },
      ::testing::ExitedWithCode(7), "^ready\ncannot go on\n$");
  std::stringstream content;
  for (const auto& entry : std::filesystem::directory_iterator(directory + "/logs")) {
    if (!entry.is_symlink()) content << std::ifstream(entry.path()).rdbuf();
  }
  EXPECT_THAT(content.str(), HasSubstr("hidden in the file"));
  EXPECT_THAT(content.str(), HasSubstr("ready"));
  EXPECT_THAT(content.str(), ContainsRegex("\nE[^\n]*cannot go on\n"));
  std::filesystem::remove_all(directory);
}

TEST_F(LoggingDeathTest, LessImportantLinesAreDropped) {
  EXPECT_EXIT(
      {
        InitLogging("test", {.level = Level::kWarning}).IgnoreError();
        LOG_INFO("dropped");
        LOG_WARNING("kept");
        Announce("ready");
        std::_Exit(0);
      },
      ::testing::ExitedWithCode(0), "^[^\n]*kept\nready\n$");
}

TEST(InitLogging, AnImpossibleDirectoryIsAnError) {
  const absl::Status status = InitLogging("test", {.directory = "/dev/null/logs"});
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/null/logs"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

}  // namespace
}  // namespace mansio::logging
