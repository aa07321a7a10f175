// What holds for every command, and what is made from the table of them.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "client/command/cli_reference.h"
#include "client/command/command_tree.h"
#include "client/command/completion.h"
#include "client/command/mqadmin.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/golden.h"
#include "tests/process/process.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;
using Words = std::vector<std::string>;

// The words of a line as a shell splits it, as far as examples go: quotes group, and $(...) stands
// for a number.
Words Split(const std::string& line) {
  Words words;
  std::string word;
  bool quoted = false;
  bool any = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line.compare(i, 2, "$(") == 0) {
      i = line.find(')', i);
      word += '1';
      any = true;
    } else if (line[i] == '"') {
      quoted = !quoted;
      any = true;
    } else if (line[i] == ' ' && !quoted) {
      if (any) words.push_back(word);
      word.clear();
      any = false;
    } else {
      word += line[i];
      any = true;
    }
  }
  if (any) words.push_back(word);
  return words;
}

TEST(TreeTest, EveryCommandHasExamplesThatParse) {
  CLI::App tree;
  Context context;
  BuildTree(tree, context);
  int verbs = 0;
  VisitVerbs(tree, [&](const std::string& path, const CLI::App& verb) {
    ++verbs;
    EXPECT_FALSE(verb.get_description().empty()) << path;
    EXPECT_THAT(ExamplesOf(verb), Contains(HasSubstr(path.substr(path.find(' ') + 1))))
        << path << " has no example";
    for (std::string example : ExamplesOf(verb)) {
      example = example.substr(example.find("mansio ") + 7);
      if (example.ends_with(")") && example.find("$(") == std::string::npos) example.pop_back();
      CLI::App fresh;
      Context unused;
      BuildTree(fresh, unused);
      Words words = Split(example);
      std::reverse(words.begin(), words.end());
      EXPECT_NO_THROW(fresh.parse(words)) << path << ": " << example;
    }
  });
  EXPECT_GT(verbs, 40);
}

TEST(TreeTest, TheCommandsPageIsUpToDate) {
  CLI::App tree;
  Context context;
  BuildTree(tree, context);
  mansio::testing::ExpectGolden("docs/cli.md", CliReference(tree));
}

Candidates Completed(const Words& words) {
  CLI::App tree;
  Context context;
  BuildTree(tree, context);
  return Complete(tree, words);
}

TEST(CompletionTest, CommandsOptionsAndValues) {
  EXPECT_THAT(Completed({""}).words, IsSupersetOf({"topic", "group", "dlq", "completion"}));
  EXPECT_THAT(Completed({"to"}).words, ElementsAre("topic"));
  EXPECT_THAT(Completed({"topic", "de"}).words, ElementsAre("describe", "delete"));
  EXPECT_THAT(Completed({"-o", "json", "topic", "cr"}).words, ElementsAre("create"));
  EXPECT_THAT(Completed({"topic", "create", "x", "--ty"}).words, ElementsAre("--type"));
  EXPECT_THAT(Completed({"topic", "create", "x", "--type", "f"}).words, ElementsAre("fifo"));
  EXPECT_THAT(Completed({"topic", "list", "--output=y"}).words, ElementsAre("--output=yaml"));
  // As bash splits it.
  EXPECT_THAT(Completed({"topic", "list", "--output", "=", "y"}).words, ElementsAre("yaml"));
  EXPECT_THAT(Completed({"topic", "list", "--out"}).words, ElementsAre("--output"));
  EXPECT_THAT(Completed({"nonsense", "x", ""}).words, Not(IsEmpty()));
  EXPECT_THAT(Completed({}).words, Contains("topic"));
  EXPECT_THAT(Completed({"cheat", "d"}).words, ElementsAre("dlq", "delay"));
  EXPECT_THAT(Completed({"mqadmin", "updateT"}).words, ElementsAre("updateTopic"));
}

TEST(CompletionTest, NamesThatOnlyTheClusterKnows) {
  using Kind = Candidates::Kind;
  EXPECT_EQ(Completed({"topic", "describe", ""}).kind, Kind::kTopics);
  EXPECT_EQ(Completed({"topic", "create", ""}).kind, Kind::kWords);
  EXPECT_EQ(Completed({"message", "send", "o"}).kind, Kind::kTopics);
  EXPECT_EQ(Completed({"group", "why", ""}).kind, Kind::kGroups);
  EXPECT_EQ(Completed({"dlq", "list", ""}).kind, Kind::kGroups);
  EXPECT_EQ(Completed({"group", "reset", "g", "--topic", ""}).kind, Kind::kTopics);
  EXPECT_EQ(Completed({"dlq", "import", "g", "--file", ""}).kind, Kind::kFiles);
  EXPECT_EQ(Completed({"context", "use", ""}).kind, Kind::kContexts);
  EXPECT_EQ(Completed({"broker", "describe", ""}).kind, Kind::kBrokers);
  EXPECT_EQ(Completed({"broker", "config", "set", ""}).kind, Kind::kBrokers);
  EXPECT_EQ(Completed({"broker", "config", "set", "broker-a", "ret"}).kind, Kind::kKeys);
  EXPECT_EQ(Completed({"config", "explain", "ret"}).kind, Kind::kKeys);
  const Candidates elsewhere =
      Completed({"--endpoint", "127.0.0.1", ":", "9876", "topic", "describe", ""});
  EXPECT_EQ(elsewhere.kind, Kind::kTopics);
  EXPECT_EQ(elsewhere.endpoint, "127.0.0.1:9876");
  EXPECT_EQ(Completed({"--endpoint=h:1", "topic", "stats", ""}).endpoint, "h:1");
}

class ShellTest : public CommandHarness {};

TEST_F(ShellTest, BashCompletes) {
  node_.hooks.list_topics = [] {
    v1::ListTopicsResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    for (const char* name : {"orders", "others", "payments"}) {
      response.add_topics()->mutable_topic()->set_name(name);
    }
    return response;
  };
  const std::string mansio = std::string(MANSIO_BIN_DIR) + "/mansio";
  const auto complete = [&](const std::string& words) {
    const std::string script = fmt::format(
        "set -u; source <('{0}' completion bash); complete -p mansio >/dev/null; "
        "COMP_WORDS=('{0}' {1}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _mansio; "
        "echo \"${{COMPREPLY[*]}}\"",
        mansio, words);
    const auto run =
        mansio::testing::RunToEnd("/bin/bash", {"--norc", "--noprofile", "-c", script});
    EXPECT_EQ(run.code, 0) << run.err;
    return run.out;
  };
  EXPECT_EQ(complete("topic de"), "describe delete\n");
  EXPECT_EQ(complete("topic create x --type tr"), "transaction\n");
  const std::string port = endpoint_.substr(endpoint_.find(':') + 1);
  EXPECT_EQ(complete(fmt::format("--endpoint 127.0.0.1 : {} topic describe o", port)),
            "orders others\n");
  // Nobody answers at port 1; the shell goes on without names.
  EXPECT_EQ(complete("--endpoint 127.0.0.1:1 topic describe o"), "\n");
  const std::string license = std::string(MANSIO_SOURCE_DIR) + "/LICENS";
  EXPECT_EQ(complete("dlq import g --file " + license), license + "E\n");
}

TEST_F(ShellTest, CompletionOfEachShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Mansio({"completion", shell}), kOk);
    EXPECT_THAT(out_, AllOf(HasSubstr(shell), HasSubstr("__complete --"))) << shell;
  }
  EXPECT_EQ(Mansio({"completion", "tcsh"}), kUsage);
}

TEST_F(ShellTest, TheCheatSheetHasEveryExample) {
  EXPECT_EQ(Mansio({"cheat"}), kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("mansio topic create payments --type fifo"),
                          HasSubstr("mansio bench produce")));
  EXPECT_EQ(Mansio({"cheat", "dlq"}), kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("mansio dlq purge"), Not(HasSubstr("mansio topic"))));
  EXPECT_EQ(Mansio({"cheat", "nonsense"}), kUsage);
}

class ConfigCommandTest : public ::testing::Test {
 protected:
  // The binary: it looks for the servers' programs beside itself.
  static mansio::testing::Finished Config(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "config");
    return mansio::testing::RunToEnd(std::string(MANSIO_BIN_DIR) + "/mansio", arguments);
  }
};

TEST_F(ConfigCommandTest, ChecksFilesOfBothServers) {
  const std::string conf = std::string(MANSIO_SOURCE_DIR) + "/conf/";
  EXPECT_EQ(Config({"check", conf + "broker.yaml"}).code, kOk);
  EXPECT_EQ(Config({"check", conf + "nameserver.yaml", "--server", "nameserver"}).code, kOk);
  const auto wrong = Config({"check", conf + "broker.yaml", "--set", "durability=perhaps"});
  EXPECT_EQ(wrong.code, kCheckFailed);
  EXPECT_THAT(wrong.err, HasSubstr("durability"));
  const auto other = Config({"check", conf + "broker.yaml", "--server", "nameserver"});
  EXPECT_EQ(other.code, kCheckFailed);
  EXPECT_THAT(other.err, AllOf(HasSubstr("broker.yaml:"), HasSubstr("--server broker")));
  const Json good = Json::parse(Config({"check", conf + "broker.yaml", "-o", "json"}).out);
  EXPECT_EQ(good["good"], true);
  const auto bad = Config({"check", conf + "broker.yaml", "--server", "nameserver", "-o", "json"});
  EXPECT_EQ(bad.code, kCheckFailed);
  const Json mistakes = Json::parse(bad.out)["mistakes"];
  ASSERT_FALSE(mistakes.empty());
  EXPECT_GT(mistakes[0]["line"].get<int>(), 0);
  EXPECT_THAT(mistakes[0]["text"].get<std::string>(), HasSubstr("unknown key"));
}

TEST_F(ConfigCommandTest, ExplainsKeys) {
  const auto one = Config({"explain", "retention.age"});
  EXPECT_EQ(one.code, kOk);
  EXPECT_THAT(one.out, AllOf(HasSubstr("`retention.age` (default"), Not(HasSubstr("`listen`"))));
  EXPECT_THAT(Config({"explain", "retention"}).out,
              AllOf(HasSubstr("`retention.age`"), HasSubstr("`retention.bytes`")));
  EXPECT_THAT(Config({"explain", "--server", "nameserver"}).out, HasSubstr("`brokers.expiry`"));
  EXPECT_EQ(Config({"explain", "nonsense"}).code, kNotFound);
  const auto typo = Config({"explain", "retntion.age"});
  EXPECT_EQ(typo.code, kNotFound);
  EXPECT_THAT(typo.err, HasSubstr("did you mean retention.age?"));
  const Json key = Json::parse(Config({"explain", "retention.age", "-o", "json"}).out);
  ASSERT_EQ(key.size(), 1u);
  EXPECT_EQ(key[0]["key"], "retention.age");
  EXPECT_EQ(key[0]["default"], "3d");
  EXPECT_THAT(key[0]["explanation"].get<std::string>(), HasSubstr("Changes while"));
  const Json all = Json::parse(Config({"explain", "-o", "json"}).out);
  EXPECT_GT(all.size(), 50u);
  for (const Json& each : all) EXPECT_FALSE(each["explanation"].get<std::string>().empty()) << each;
}

TEST(MqadminTest, CounterpartsAreCommands) {
  CLI::App tree;
  Context context;
  BuildTree(tree, context);
  for (const MqadminName& known : MqadminNames()) {
    const CLI::App* command = &tree;
    for (const std::string& word : known.words) {
      command = FindCommand(*command, word);
      ASSERT_NE(command, nullptr) << known.name;
    }
  }
}

TEST(MqadminTest, OptionsAreTranslated) {
  EXPECT_THAT(*TranslateMqadmin({"updatetopic", "-n", "h:9876", "-t", "orders", "-c", "Default",
                                 "-w", "4", "-r", "4", "-a", "+message.type=FIFO"}),
              ElementsAre("topic", "create", "--endpoint", "h:9876", "orders", "--queues", "4",
                          "--type", "fifo"));
  EXPECT_THAT(*TranslateMqadmin({"updateSubGroup", "-g", "g", "-r", "16", "-o", "true"}),
              ElementsAre("group", "create", "g", "--max-attempts", "17", "--fifo"));
  EXPECT_THAT(*TranslateMqadmin({"updateSubGroup", "-r", "2147483647"}),
              ElementsAre("group", "create", "--max-attempts", "2147483648"));
  EXPECT_THAT(
      *TranslateMqadmin({"resetOffsetByTime", "-g", "g", "-t", "t", "-s", "1767225600000"}),
      ElementsAre("group", "reset", "g", "--topic", "t", "--to", "2026-01-01T00:00:00.000Z"));
  EXPECT_THAT(*TranslateMqadmin({"skipAccumulatedMessage", "-g", "g", "-t", "t"}),
              ElementsAre("group", "reset", "g", "--topic", "t", "--to", "latest"));
  EXPECT_FALSE(TranslateMqadmin({"updateTopic", "-t"}).ok());
  EXPECT_FALSE(TranslateMqadmin({"updateTopic", "-z", "1"}).ok());
  EXPECT_FALSE(TranslateMqadmin({"updateTopic", "-a", "+x=y"}).ok());
  EXPECT_FALSE(TranslateMqadmin({"updateSubGroup", "-r", "many"}).ok());
  EXPECT_FALSE(TranslateMqadmin({"resetOffsetByTime", "-s", "soon"}).ok());
  EXPECT_FALSE(TranslateMqadmin({"cloneGroupOffset"}).ok());
}

class MqadminCommandTest : public CommandHarness {};

TEST_F(MqadminCommandTest, RunsTheCounterpartAndNamesIt) {
  v1::CreateTopicRequest seen;
  node_.hooks.create_topic = [&seen](const v1::CreateTopicRequest& request) {
    seen = request;
    v1::CreateTopicResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    *response.mutable_topic() = request.topic();
    return response;
  };
  EXPECT_EQ(Mansio({"mqadmin", "updateTopic", "-t", "orders", "-w", "3"}), kOk);
  EXPECT_EQ(seen.topic().name(), "orders");
  EXPECT_EQ(seen.topic().queues(), 3);
  EXPECT_THAT(err_, HasSubstr("note: mqadmin updateTopic is mansio topic create orders"));
  EXPECT_EQ(Mansio({"updateTopic", "-t", "orders"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("RocketMQ's updateTopic is mansio topic create here"));
  EXPECT_EQ(Mansio({"mqadmin"}), kOk);
  EXPECT_THAT(out_, HasSubstr("updateTopic"));
  EXPECT_EQ(Mansio({"mqadmin", "nonsense"}), kUsage);
  EXPECT_EQ(Mansio({"--help"}), kOk);
  EXPECT_THAT(out_, Not(HasSubstr("mqadmin")));
}

class WatchTest : public CommandHarness {};

TEST_F(WatchTest, RepeatsWhatOnlyLooks) {
  int calls = 0;
  node_.hooks.list_topics = [&calls] {
    ++calls;
    v1::ListTopicsResponse response;
    *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
    return response;
  };
  std::vector<absl::Duration> waits;
  wait_ = [&waits](absl::Duration interval) {
    waits.push_back(interval);
    return waits.size() < 3;
  };
  EXPECT_EQ(Mansio({"topic", "list", "--watch=5s"}), kOk);
  EXPECT_EQ(calls, 3);
  EXPECT_THAT(waits, ElementsAre(absl::Seconds(5), absl::Seconds(5), absl::Seconds(5)));
  EXPECT_EQ(out_, "(none)\n(none)\n(none)\n");
  waits.clear();
  EXPECT_EQ(Mansio({"--watch", "topic", "list"}), kOk);
  EXPECT_EQ(waits.front(), absl::Seconds(2));
  EXPECT_EQ(Mansio({"topic", "create", "x", "--watch"}), kUsage);
  EXPECT_THAT(err_, HasSubstr("--watch does not go with mansio topic create"));
  EXPECT_EQ(Mansio({"topic", "list", "--watch=often"}), kUsage);
}

TEST_F(WatchTest, GoesOnWhenTheServerDoesNotAnswer) {
  int rounds = 0;
  wait_ = [&rounds](absl::Duration) { return ++rounds < 2; };
  endpoint_ = "127.0.0.1:1";
  EXPECT_EQ(Mansio({"topic", "list", "--watch"}), kUnreachable);
  EXPECT_EQ(rounds, 2);
}

}  // namespace
}  // namespace mansio::command
