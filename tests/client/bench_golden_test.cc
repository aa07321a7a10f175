// What the verbs of `mansio bench` print: tests/client/golden/bench.txt. Figures, which differ each
// time, are left out.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "tests/client/command_harness.h"
#include "tests/client/keeping_node.h"
#include "tests/golden.h"

namespace mansio::command {
namespace {

namespace v2 = apache::rocketmq::v2;

class BenchGoldenTest : public CommandHarness {
 protected:
  BenchGoldenTest() {
    kept_.UseTransactions();
    node_.hooks.describe_group = [](const v1::DescribeGroupRequest&) {
      v1::DescribeGroupResponse response;
      *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
      return response;
    };
    node_.hooks.query_messages = [](const v1::QueryMessagesRequest&) {
      v1::QueryMessagesResponse response;
      *response.mutable_status() = client::MakeStatus(v2::OK, "OK");
      response.add_messages()->set_body_bytes(7);
      return response;
    };
    node_.hooks.commands = [] {
      std::vector<v2::TelemetryCommand> checks(20);
      for (auto& check : checks) {
        check.mutable_recover_orphaned_transaction_command()->set_transaction_id("t");
      }
      return checks;
    };
  }

  // What `mansio ARGUMENTS` prints as a table and the fields of what it prints as JSON.
  std::string Output(std::vector<std::string> arguments) {
    const std::string command = absl::StrJoin(arguments, " ");
    int exit = Mansio(arguments);
    std::string text = fmt::format("$ mansio {}\n{}(exit code {})\n\n", command,
                                   WithoutNumbers(out_ + err_), exit);
    arguments.insert(arguments.end(), {"-o", "json"});
    exit = Mansio(arguments);
    const Json report = Json::parse(out_, nullptr, /*allow_exceptions=*/false);
    return text +
           fmt::format("$ mansio {} -o json\n{}(exit code {})\n\n", command, Fields(report), exit);
  }

  // Each number as N, and one space where there are several: they depend on how long it is.
  static std::string WithoutNumbers(const std::string& text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      if (std::isdigit(static_cast<unsigned char>(text[i])) != 0) {
        i = std::min(text.find_first_not_of("0123456789.,:", i), text.size()) - 1;
        out += 'N';
      } else if (text[i] != ' ' || !out.ends_with(' ')) {
        out += text[i];
      }
    }
    // Too short a run may have none of this.
    return absl::StrReplaceAll(
        out, {{"PER MESSAGE -\n", "PER MESSAGE N\n"}, {"per_message=-", "per_message=N"}});
  }

  // The names of the fields, of those below them, too; of a list, those of its first element.
  static std::string Fields(const Json& value, const std::string& indent = "") {
    std::string text;
    for (const auto& [key, field] : value.items()) {
      text += fmt::format("{}{}\n", indent, key);
      if (field.is_object()) text += Fields(field, indent + "  ");
      if (field.is_array() && !field.empty()) text += Fields(field[0], indent + "  ");
    }
    return text;
  }

  client::KeepingNode kept_{&node_};
};

TEST_F(BenchGoldenTest, EveryVerb) {
  std::string all;
  const std::vector<std::vector<std::string>> cases = {
      {"bench", "produce", "--count", "10"},
      {"bench", "produce", "--count", "10", "--rate", "1000"},
      {"bench", "consume", "--prefill", "20", "--count", "20"},
      {"bench", "e2e", "--rate", "100", "--duration", "200ms", "--warmup", "0s"},
      {"bench", "delay", "--rate", "100", "--duration", "200ms", "--warmup", "0s", "--due", "50",
       "--due-after", "4s", "--pending", "5", "--rounds", "1"},
      {"bench", "transaction", "--duration", "200ms", "--warmup", "0s", "--rounds", "1"},
      {"bench", "check", "--pending", "5", "--rounds", "2"},
      {"bench", "query", "--keys", "5", "--count", "10"}};
  for (const std::vector<std::string>& arguments : cases) all += Output(arguments);
  mansio::testing::ExpectGolden("tests/client/golden/bench.txt", all);
}

}  // namespace
}  // namespace mansio::command
