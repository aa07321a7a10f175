#include "broker/filter/sql_parser.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

using testing::HasSubstr;

std::string Repeat(const std::string& part, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += part;
  return all;
}

std::string FaultOf(const std::string& expression) {
  const auto program = CompileSql(expression);
  EXPECT_EQ(CodeOf(program.status()), apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION)
      << expression;
  return std::string(program.status().message());
}

struct Wrong {
  std::string expression;
  int character;     // where
  std::string cure;  // part of the sentence
};

TEST(SqlParserTest, FaultsSayWhereAndWhatToWrite) {
  const Wrong wrongs[] = {
      {"a = ", 5, "property name"},
      {"a = 1 b", 7, "AND or OR"},
      {"a = 'x", 5, "closing quote"},
      {"(a = 1", 7, "closing parenthesis"},
      {"a = 1)", 6, "should end"},
      {"a ! b", 3, "NOT"},
      {"a != 1", 3, "<>"},
      {"a == 1", 3, "equality is written ="},
      {"a = \"x\"", 5, "single quotes"},
      {"a + 1 = 2", 3, "AND or OR"},
      {"a * 2 = 2", 3, "calculate"},
      {"a && b", 3, "AND and OR"},
      {"a LIKE 'x%'", 3, "CONTAINS"},
      {"a /* no end", 3, "*/"},
      {"a = 1x", 5, "neither a number nor"},
      {"a = 1.2.3", 5, "neither a number nor"},
      {"a = 9223372036854775808", 5, "too large"},
      {"a = 1e999", 5, "too large"},
      {"a > 'x'", 3, "only numbers"},
      {"'x' > a", 5, "only numbers"},
      {"a <= TRUE", 3, "only numbers"},
      {"a BETWEEN 'a' AND 'b'", 3, "only numbers"},
      {"a BETWEEN 1 OR 2", 13, "BETWEEN is followed"},
      {"-'x' = 1", 1, "only numbers"},
      {"a IN (1, 2)", 7, "IN ('a', 'b')"},
      {"a IN ()", 7, "IN ('a', 'b')"},
      {"a IN 'x'", 6, "IN ('a', 'b')"},
      {"a CONTAINS 5", 12, "single quotes"},
      {"5 CONTAINS 'x'", 3, "look at a text"},
      {"a NOT 5", 7, "here NOT is followed"},
      {"a IS 5", 6, "NULL or NOT NULL"},
      {"NOT a = 5", 7, "parentheses behind NOT"},
      {"NOT a IN ('x')", 7, "parentheses behind NOT"},
      {"'x' = 5", 5, "one kind"},
      {"5", 1, "neither true nor false"},
      {"'x'", 1, "neither true nor false"},
      {"a AND 5", 7, "neither true nor false"},
      {"NOT 'x'", 1, "neither true nor false"},
      {"a.b = 1", 2, "outside a text"},
      {"größe = 1", 3, "outside a text"},
      {"'größe' = a = ?", 15, "outside a text"},
      {std::string("a = \0", 5), 5, "outside a text"},
  };
  for (const Wrong& wrong : wrongs) {
    const std::string fault = FaultOf(wrong.expression);
    EXPECT_THAT(fault, HasSubstr(fmt::format("at character {} (", wrong.character)))
        << wrong.expression;
    EXPECT_THAT(fault, HasSubstr(wrong.cure)) << wrong.expression;
  }
}

TEST(SqlParserTest, AnEmptyExpressionIsIllegal) {
  for (const char* expression : {"", " ", "-- nothing", "/* nothing */"}) {
    EXPECT_THAT(FaultOf(expression), HasSubstr("empty"));
  }
}

TEST(SqlParserTest, LengthIsBounded) {
  EXPECT_TRUE(CompileSql("TRUE" + std::string(kMaxSqlBytes - 4, ' ')).ok());
  EXPECT_THAT(FaultOf("TRUE" + std::string(kMaxSqlBytes - 3, ' ')),
              HasSubstr("at most 16384 bytes"));
}

TEST(SqlParserTest, DepthIsBounded) {
  EXPECT_TRUE(CompileSql(Repeat("(", kMaxSqlDepth) + "a" + Repeat(")", kMaxSqlDepth)).ok());
  EXPECT_THAT(FaultOf(Repeat("(", 8000) + "a" + Repeat(")", 8000)), HasSubstr("character 65 "));
  EXPECT_TRUE(CompileSql(Repeat("NOT ", kMaxSqlDepth) + "a").ok());
  EXPECT_THAT(FaultOf(Repeat("NOT ", 4000) + "a"), HasSubstr("64 deep"));
  EXPECT_THAT(FaultOf(Repeat("- ", 8000) + "a"), HasSubstr("64 deep"));
  EXPECT_THAT(FaultOf(Repeat("a=(NOT ", 1000)), HasSubstr("64 deep"));
}

TEST(SqlParserTest, NamesAndStepsAreBounded) {
  std::string names = "p0";
  for (size_t i = 1; i < kMaxSqlNames; ++i) names += fmt::format(" OR p{}", i);
  EXPECT_TRUE(CompileSql(names).ok());
  EXPECT_THAT(FaultOf(names + " OR one_more"), HasSubstr("64 different properties"));
  EXPECT_TRUE(CompileSql("a" + Repeat(" OR a", 1000)).ok());
  EXPECT_THAT(FaultOf("a" + Repeat(" OR a", 1500)), HasSubstr("4096"));
}

TEST(SqlParserTest, LongListsAreOneStep) {
  std::string list = "a IN ('x'";
  while (list.size() < kMaxSqlBytes - 10) list += ",'y'";
  EXPECT_TRUE(CompileSql(list + ")").ok());
}

TEST(SqlParserTest, TheStackThatAProgramNeedsIsKnown) {
  EXPECT_EQ(CompileSql("a = 1")->max_stack, 2u);
  EXPECT_EQ(CompileSql("a BETWEEN 1 AND 2")->max_stack, 3u);
  EXPECT_EQ(CompileSql("a OR b OR c OR d")->max_stack, 2u);
}

// Whatever it gets, it answers, and a program that it makes can be run.
TEST(SqlParserTest, Garbage) {
  const std::vector<std::string> words = {
      "a",  "b",  "'x'", "1",    "2.5", "(",    ")",    "AND", "OR",       "NOT",        "IS",
      "IN", ",",  "=",   "<>",   ">",   "<=",   "+",    "-",   "BETWEEN",  "CONTAINS",   "NULL",
      "--", "/*", "*/",  "TRUE", "'",   "\xff", "\xc3", "..",  "ENDSWITH", "STARTSWITH", "$"};
  std::mt19937 random(1);
  int good = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string expression;
    for (size_t n = random() % 12; n > 0; --n) {
      expression += words[random() % words.size()];
      if (random() % 4 != 0) expression += ' ';
    }
    if (random() % 8 == 0 && !expression.empty()) {
      expression[random() % expression.size()] = static_cast<char>(random());
    }
    const auto program = CompileSql(expression);
    if (!program.ok()) {
      EXPECT_EQ(CodeOf(program.status()), apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION);
      continue;
    }
    ++good;
    std::vector<SqlValue> properties(program->names.size(), SqlValue(std::string_view("1")));
    program->IsTrue(properties);
    std::fill(properties.begin(), properties.end(), SqlValue());
    program->IsTrue(properties);
  }
  EXPECT_GT(good, 100) << "the words make too few expressions to test anything";
}

}  // namespace
}  // namespace mansio::broker
