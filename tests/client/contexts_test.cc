// Saved contexts: the file, and the commands that use it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "client/command/saved_contexts.h"
#include "common/files/posix_file_system.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/process/process.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string ErrorOf(const std::string& content) {
  return std::string(ParseContexts("contexts.yaml", content).status().message());
}

TEST(SavedContextsTest, WhatIsWrittenIsReadAgain) {
  SavedContexts contexts;
  EXPECT_EQ(*ParseContexts("f", FormatContexts(contexts)), contexts);
  EXPECT_EQ(*ParseContexts("f", ""), contexts);
  contexts.current = "true";
  contexts.contexts["true"] = {"10.0.0.1:9876;10.0.0.2:9876", true, "/etc/a b: \"c\"#d"};
  contexts.contexts["17"] = {"[::1]:8081", false, ""};
  EXPECT_EQ(*ParseContexts("f", FormatContexts(contexts)), contexts);
}

TEST(SavedContextsTest, MistakesAreNamedWithTheirLine) {
  EXPECT_THAT(ErrorOf("current: a\ncontexts:\n  a:\n    endpoint: h:1\n    tsl: true\n"),
              HasSubstr("contexts.yaml:5: contexts.a.tsl: a context has endpoint, tls and"));
  EXPECT_THAT(ErrorOf("contexts:\n  a:\n    endpoint: h:1\n    tls: maybe\n"),
              HasSubstr("contexts.yaml:4: contexts.a.tls: it is true or false"));
  EXPECT_THAT(ErrorOf("contexts:\n  a: [1, 2]\n"), HasSubstr("contexts.yaml:2"));
  EXPECT_THAT(ErrorOf("contexts:\n  'a b':\n    endpoint: h:1\n"), HasSubstr("contexts.yaml:3"));
  EXPECT_THAT(ErrorOf("contexts: {a: {tls: true}}\n"), HasSubstr("the context a has no endpoint"));
  EXPECT_THAT(ErrorOf("current: b\n"), HasSubstr("current names 'b'"));
  EXPECT_THAT(ErrorOf("contexts:\n - a\n  b\n:"), HasSubstr("contexts.yaml:"));
}

class ContextCommandTest : public CommandHarness {
 protected:
  ContextCommandTest() {
    config_directory_ = directory_.Path("config");
    node_.hooks.list_topics = [this] {
      ++calls_;
      v1::ListTopicsResponse response;
      *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
      return response;
    };
    give_endpoint_ = false;
    unsetenv("MANSIO_ENDPOINT");  // of the machine that runs the tests
  }

  mansio::testing::TemporaryDirectory directory_;
  int calls_ = 0;
};

TEST_F(ContextCommandTest, TheOneInUseIsUsedWhereNoEndpointIsGiven) {
  EXPECT_EQ(Mansio({"context", "list"}), kOk);
  EXPECT_EQ(out_, "(none)\n");
  EXPECT_EQ(Mansio({"context", "add", "here", "--endpoint", endpoint_}), kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("and in use"));
  EXPECT_EQ(Mansio({"context", "add", "nowhere", "--endpoint", "127.0.0.1:1"}), kOk) << err_;
  EXPECT_EQ(Mansio({"topic", "list"}), kOk) << err_;
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(Mansio({"context", "use", "nowhere"}), kOk);
  EXPECT_EQ(Mansio({"topic", "list"}), kUnreachable);
  EXPECT_EQ(Mansio({"topic", "list", "-c", "here"}), kOk);
  EXPECT_EQ(Mansio({"topic", "list", "--endpoint", endpoint_}), kOk);
  EXPECT_EQ(calls_, 3);
  EXPECT_EQ(Mansio({"context", "list", "-o", "json"}), kOk);
  EXPECT_EQ(Json::parse(out_)[1]["current"], true);
  EXPECT_EQ(Mansio({"topic", "list", "-c", "elsewhere"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("there is no context 'elsewhere'"));
}

TEST_F(ContextCommandTest, IsAddedOnceAndRemovedOnce) {
  EXPECT_EQ(Mansio({"context", "add", "a", "--endpoint", "h:1"}), kOk);
  EXPECT_EQ(Mansio({"context", "add", "a", "--endpoint", "h:1"}), kOk);
  EXPECT_EQ(Mansio({"context", "add", "a", "--endpoint", "h:2"}), kFailed);
  EXPECT_THAT(err_, HasSubstr("--replace"));
  EXPECT_EQ(Mansio({"context", "add", "a", "--endpoint", "h:2", "--replace"}), kOk);
  EXPECT_EQ(Mansio({"context", "add", "b c", "--endpoint", "h:2"}), kUsage);
  EXPECT_EQ(Mansio({"context", "add", "b", "--endpoint", "no port"}), kUsage);
  EXPECT_EQ(Mansio({"context", "use", "b"}), kNotFound);
  EXPECT_EQ(Mansio({"context", "remove", "a"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("add --yes"));
  EXPECT_EQ(Mansio({"context", "remove", "a", "--yes"}), kOk);
  EXPECT_EQ(Mansio({"context", "remove", "a", "--yes"}), kNotFound);
}

TEST_F(ContextCommandTest, KeepsTheSecretsFile) {
  std::ofstream(directory_.Path("secret")) << "sixteen letters or more";
  std::filesystem::permissions(directory_.Path("secret"), std::filesystem::perms::owner_read);
  EXPECT_EQ(Mansio({"context", "add", "a", "--endpoint", endpoint_, "--cluster-secret-file",
                    directory_.Path("secret")}),
            kOk);
  EXPECT_EQ(Mansio({"topic", "list"}), kOk) << err_;
  std::filesystem::remove(directory_.Path("secret"));
  EXPECT_EQ(Mansio({"topic", "list"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("secret"));
  // What chooses another one still works.
  EXPECT_EQ(Mansio({"context", "list"}), kOk) << err_;
}

TEST_F(ContextCommandTest, AMalformedFileIsNeitherUsedNorOverwritten) {
  std::filesystem::create_directories(config_directory_);
  const std::string file = config_directory_ + "/contexts.yaml";
  std::ofstream(file) << "contexts:\n  a:\n    endpiont: h:1\n";
  for (const std::vector<std::string>& command : {std::vector<std::string>{"topic", "list"},
                                                  {"context", "list"},
                                                  {"context", "add", "b", "--endpoint", "h:1"}}) {
    EXPECT_EQ(Mansio(command), kUsage);
    EXPECT_THAT(err_, HasSubstr("contexts.yaml:3: contexts.a.endpiont")) << command[1];
  }
  EXPECT_EQ(Mansio({"topic", "list", "--endpoint", endpoint_}), kOk) << "does not need the file";
  EXPECT_EQ(*ReadWholeFile(*std::make_unique<PosixFileSystem>(), file, 1000),
            "contexts:\n  a:\n    endpiont: h:1\n");
}

}  // namespace
}  // namespace mansio::command
