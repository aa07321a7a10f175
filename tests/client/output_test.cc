#include "client/command/output.h"

#include "gtest/gtest.h"

namespace mansio::command {
namespace {

const Json kRows = {{{"name", "orders"}, {"queues", 8}, {"messages", 1234567}, {"fifo", false}},
                    {{"name", "ä"}, {"queues", 16}, {"messages", -1000}, {"fifo", nullptr}}};

TEST(Output, TableAlignsNumbersRightAndTextLeft) {
  EXPECT_EQ(Render(kRows, Format::kTable),
            "NAME    QUEUES   MESSAGES  FIFO\n"
            "orders       8  1,234,567  no\n"
            "ä           16     -1,000  -\n");
}

TEST(Output, JsonKeepsOrderAndRawNumbers) {
  EXPECT_EQ(Render(kRows[0], Format::kJson),
            "{\n  \"name\": \"orders\",\n  \"queues\": 8,\n  \"messages\": 1234567,\n"
            "  \"fifo\": false\n}\n");
}

TEST(Output, YamlQuotesAllText) {
  const Json value = {{"name", "no"},    {"queues", 8},      {"on", true},
                      {"none", nullptr}, {"list", {"1", 2}}, {"empty", Json::array()}};
  EXPECT_EQ(Render(value, Format::kYaml),
            "name: \"no\"\nqueues: 8\non: true\nnone: ~\nlist:\n  - \"1\"\n  - 2\nempty: []\n");
}

TEST(Output, ObjectIsFieldsAndThenTables) {
  const Json value = {{"name", "orders"},
                      {"queue_offsets", {{{"queue", 0}, {"next", 5}}}},
                      {"max_attempts", nullptr},
                      {"clients", {"a", "b"}},
                      {"none", Json::array()}};
  EXPECT_EQ(Render(value, Format::kTable),
            "NAME          orders\n"
            "MAX ATTEMPTS  -\n"
            "CLIENTS       a, b\n"
            "NONE          -\n"
            "\n"
            "QUEUE OFFSETS\n"
            "QUEUE  NEXT\n"
            "    0     5\n");
}

TEST(Output, WideTableIsCutToTheTerminal) {
  const Json rows = {{{"id", 1}, {"body", "abcdefghijklmnopqrstuvwxyz"}}};
  EXPECT_EQ(Render(rows, Format::kTable, {.terminal_width = 16}), "ID  BODY\n 1  abcdefghijk…\n");
  // Nothing is cut to less than is of use.
  EXPECT_EQ(Render(rows, Format::kTable, {.terminal_width = 3}), "ID  BODY\n 1  abcdefg…\n");
}

TEST(Output, IdsAndTimesAreNeverCut) {
  const Json rows = {{{"due", "2026-11-22T00:00:00.000Z"},
                      {"topic", "reminders"},
                      {"message_id", "01C28CCE97553B"},
                      {"stored", "2026-11-21T00:00:00.000Z"},
                      {"reason", "the consumer has failed"},
                      {"recall_handle", "ZQhicm9rZXItYQ"}}};
  EXPECT_EQ(Render(rows, Format::kTable, {.terminal_width = 60}),
            "DUE                       MESSAGE ID      RECALL HANDLE\n"
            "2026-11-22T00:00:00.000Z  01C28CCE97553B  ZQhicm9rZXItYQ\n"
            "(-o wide shows also STORED, REASON, TOPIC)\n");
  EXPECT_EQ(Render(rows, Format::kTable, {.terminal_width = 20}),
            Render(rows, Format::kTable, {.terminal_width = 60}))
      << "the terminal wraps what must be shown";
  EXPECT_EQ(
      Render(rows, Format::kTable, {.terminal_width = 112}),
      "DUE                       TOPIC      MESSAGE ID      STORED                    REASON      "
      "       RECALL HANDLE\n"
      "2026-11-22T00:00:00.000Z  reminders  01C28CCE97553B  2026-11-21T00:00:00.000Z  the consumer "
      "has…  ZQhicm9rZXItYQ\n");
}

TEST(Output, TextCannotDisturbTheTerminal) {
  const Json rows = {{{"body", "a\nb\x1b[31m"}}};
  EXPECT_EQ(Render(rows, Format::kTable), "BODY\na\\nb\\x1b[31m\n");
  EXPECT_EQ(Render(Json("\xff"), Format::kJson), "\"\xEF\xBF\xBD\"\n");
}

TEST(Output, NothingIsSaid) {
  EXPECT_EQ(Render(Json::array(), Format::kTable), "(none)\n");
  EXPECT_EQ(Render(Json::array(), Format::kJson), "[]\n");
  EXPECT_EQ(Render(Json::array(), Format::kYaml), "[]\n");
}

}  // namespace
}  // namespace mansio::command
