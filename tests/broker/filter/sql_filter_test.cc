#include "broker/filter/sql_filter.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "broker/filter/sql_parser.h"
#include "tests/broker/filter/filter_testing.h"

namespace mansio::broker {
namespace {

// The message that most tests ask about.
const StoredBytes& Example() {
  static const StoredBytes example({{"color", "red"},
                                    {"quote", "it's"},
                                    {"one", "1"},
                                    {"real", "1.50"},
                                    {"small", "-7"},
                                    {"big", "9007199254740993"},
                                    {"yes", "true"},
                                    {"no", "False"},
                                    {"empty", ""},
                                    {"_x$1", "odd name"},
                                    {"umlaut", "größe"}},
                                   "paid", {"k1", "k2"});
  return example;
}

bool Matches(const std::string& expression, const StoredBytes& message = Example()) {
  const auto filter = SqlFilter::Parse(expression);
  EXPECT_TRUE(filter.ok()) << expression << ": " << filter.status();
  return filter.ok() && filter->Matches(message.content());
}

// Neither an expression nor its negation is true.
bool IsUnknown(const std::string& expression) {
  return !Matches("(" + expression + ")") && !Matches("NOT (" + expression + ")");
}

bool IsFalse(const std::string& expression) {
  return !Matches("(" + expression + ")") && Matches("NOT (" + expression + ")");
}

TEST(SqlFilterTest, Equality) {
  EXPECT_TRUE(Matches("color = 'red'"));
  EXPECT_TRUE(Matches("'red' = color"));
  EXPECT_TRUE(IsFalse("color = 'Red'"));
  EXPECT_TRUE(IsFalse("color <> 'red'"));
  EXPECT_TRUE(Matches("color <> 'blue'"));
  EXPECT_TRUE(Matches("one = 1"));
  EXPECT_TRUE(Matches("one = 1.0"));
  EXPECT_TRUE(Matches("one = 1L"));
  EXPECT_TRUE(Matches("one = '1'"));
  EXPECT_TRUE(IsFalse("one = '1.0'")) << "texts are compared as texts";
  EXPECT_TRUE(Matches("real = 15e-1"));
  EXPECT_TRUE(Matches("big = 9007199254740993"));
  EXPECT_TRUE(IsFalse("big = 9007199254740992")) << "whole numbers are exact";
  EXPECT_TRUE(Matches("small = -7"));
  EXPECT_TRUE(Matches("empty = ''"));
}

TEST(SqlFilterTest, Order) {
  EXPECT_TRUE(Matches("one > 0"));
  EXPECT_TRUE(IsFalse("one > 1"));
  EXPECT_TRUE(Matches("one >= 1"));
  EXPECT_TRUE(Matches("one < 1.5"));
  EXPECT_TRUE(IsFalse("one < 1"));
  EXPECT_TRUE(Matches("one <= 1"));
  EXPECT_TRUE(Matches("2 > one"));
  EXPECT_TRUE(Matches("one > small"));
  EXPECT_TRUE(Matches("small < -6.5"));
}

TEST(SqlFilterTest, WhatIsNoNumberHasUnknownOrder) {
  for (const char* expression : {"color > 1", "color = 1", "empty >= 0", "nothing < 5",
                                 "color BETWEEN 1 AND 2", "-color = 1", "color <> 1"}) {
    EXPECT_TRUE(IsUnknown(expression)) << expression;
  }
}

TEST(SqlFilterTest, Between) {
  EXPECT_TRUE(Matches("one BETWEEN 1 AND 2"));
  EXPECT_TRUE(Matches("one BETWEEN 0 AND 1"));
  EXPECT_TRUE(IsFalse("one BETWEEN 2 AND 3"));
  EXPECT_TRUE(Matches("one NOT BETWEEN 2 AND 3"));
  EXPECT_TRUE(IsFalse("one BETWEEN 2 AND 0"));
  EXPECT_TRUE(Matches("one BETWEEN small AND real"));
  EXPECT_TRUE(IsFalse("one BETWEEN 5 AND nothing")) << "false whatever the unknown bound is";
  EXPECT_TRUE(IsUnknown("one BETWEEN 0 AND nothing"));
  EXPECT_TRUE(Matches("one BETWEEN 1 AND 2 AND color = 'red'"));
}

TEST(SqlFilterTest, In) {
  EXPECT_TRUE(Matches("color IN ('blue', 'red')"));
  EXPECT_TRUE(IsFalse("color IN ('blue')"));
  EXPECT_TRUE(Matches("color NOT IN ('blue', 'green', 'blue')"));
  EXPECT_TRUE(IsFalse("color NOT IN ('red')"));
  EXPECT_TRUE(IsUnknown("nothing IN ('red')"));
  EXPECT_TRUE(Matches("one IN ('1')"));
}

TEST(SqlFilterTest, Searches) {
  EXPECT_TRUE(Matches("color CONTAINS 'e'"));
  EXPECT_TRUE(IsFalse("color CONTAINS 'x'"));
  EXPECT_TRUE(Matches("color NOT CONTAINS 'x'"));
  EXPECT_TRUE(Matches("color STARTSWITH 're'"));
  EXPECT_TRUE(IsFalse("color STARTSWITH 'ed'"));
  EXPECT_TRUE(Matches("color NOT STARTSWITH 'redder'"));
  EXPECT_TRUE(Matches("color ENDSWITH 'ed'"));
  EXPECT_TRUE(IsFalse("color ENDSWITH 'bred'"));
  EXPECT_TRUE(Matches("color NOT ENDSWITH 're'"));
  EXPECT_TRUE(Matches("color CONTAINS '' AND empty CONTAINS ''"));
  EXPECT_TRUE(Matches("umlaut CONTAINS 'öß'"));
  EXPECT_TRUE(IsFalse("empty CONTAINS 'x'"));
  EXPECT_TRUE(IsUnknown("nothing CONTAINS 'x'"));
  EXPECT_TRUE(IsUnknown("nothing NOT STARTSWITH 'x'"));
}

TEST(SqlFilterTest, IsNull) {
  EXPECT_TRUE(Matches("nothing IS NULL"));
  EXPECT_TRUE(IsFalse("color IS NULL"));
  EXPECT_TRUE(Matches("color IS NOT NULL"));
  EXPECT_TRUE(IsFalse("nothing IS NOT NULL"));
  EXPECT_TRUE(Matches("empty IS NOT NULL"));
  EXPECT_TRUE(Matches("(color > 1) IS NULL"));
  EXPECT_TRUE(Matches("NULL IS NULL"));
}

TEST(SqlFilterTest, NullEqualsNothing) {
  for (const char* expression : {"color = NULL", "color <> NULL", "NULL = NULL", "nothing = 'x'",
                                 "nothing <> 'x'", "nothing = other", "nothing", "NULL"}) {
    EXPECT_TRUE(IsUnknown(expression)) << expression;
  }
}

TEST(SqlFilterTest, ThreeValuedConnectives) {
  const std::string t = "TRUE", f = "FALSE", u = "NULL";
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{f, f}, {f, t}, {t, f}, {f, u}, {u, f}}) {
    EXPECT_TRUE(IsFalse(a + " AND " + b)) << a << b;
  }
  EXPECT_TRUE(Matches("TRUE AND TRUE"));
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{t, u}, {u, t}, {u, u}}) {
    EXPECT_TRUE(IsUnknown(a + " AND " + b)) << a << b;
  }
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{t, f}, {f, t}, {t, t}, {t, u}, {u, t}}) {
    EXPECT_TRUE(Matches(a + " OR " + b)) << a << b;
  }
  EXPECT_TRUE(IsFalse("FALSE OR FALSE"));
  for (const auto& [a, b] :
       std::vector<std::pair<std::string, std::string>>{{f, u}, {u, f}, {u, u}}) {
    EXPECT_TRUE(IsUnknown(a + " OR " + b)) << a << b;
  }
  EXPECT_TRUE(IsUnknown("NOT NULL"));
  EXPECT_TRUE(Matches("NOT FALSE"));
}

TEST(SqlFilterTest, Booleans) {
  EXPECT_TRUE(Matches("yes"));
  EXPECT_TRUE(Matches("NOT no"));
  EXPECT_TRUE(Matches("yes = TRUE AND no = FALSE"));
  EXPECT_TRUE(Matches("yes <> no")) << "the texts differ";
  EXPECT_TRUE(Matches("no = (one = 2)"));
  EXPECT_TRUE(IsUnknown("color"));
  EXPECT_TRUE(IsUnknown("color = TRUE"));
  EXPECT_TRUE(Matches("one = 1 = TRUE"));
}

TEST(SqlFilterTest, Precedence) {
  EXPECT_TRUE(Matches("TRUE OR FALSE AND FALSE"));
  EXPECT_FALSE(Matches("(TRUE OR FALSE) AND FALSE"));
  EXPECT_TRUE(Matches("NOT FALSE AND TRUE"));
  EXPECT_TRUE(Matches("one = 2 OR color = 'red' AND one = 1"));
  EXPECT_TRUE(Matches("FALSE AND FALSE OR TRUE"));
  EXPECT_FALSE(Matches("FALSE AND (FALSE OR TRUE)"));
}

TEST(SqlFilterTest, SignsAndLiterals) {
  EXPECT_TRUE(Matches("-one = -1"));
  EXPECT_TRUE(Matches("- - one = +1"));
  EXPECT_TRUE(Matches("-small = 7.0"));
  EXPECT_TRUE(Matches(".5 < one"));
  EXPECT_TRUE(Matches("1. = one"));
  EXPECT_TRUE(Matches("1E+0 = one"));
  EXPECT_TRUE(Matches("007 = -small"));
  EXPECT_TRUE(Matches("quote = 'it''s'"));
  EXPECT_TRUE(Matches("empty <> ''''"));
  EXPECT_TRUE(Matches("_x$1 = 'odd name'"));
}

TEST(SqlFilterTest, BlanksCommentsAndCaseOfKeywords) {
  EXPECT_TRUE(Matches("  color\n\t='red'  -- to the end of the line"));
  EXPECT_TRUE(Matches("color -- = 'blue'\n = 'red'"));
  EXPECT_TRUE(Matches("/* a */color/* AND '*/ = /***/ 'red'"));
  EXPECT_TRUE(Matches("color is Not null aNd noT (color In ('x')) oR false"));
  EXPECT_FALSE(Matches("COLOR = 'red'")) << "names are case-sensitive";
}

TEST(SqlFilterTest, TagsAndKeysAreProperties) {
  EXPECT_TRUE(Matches("TAGS = 'paid'"));
  EXPECT_TRUE(Matches("TAGS IN ('paid') AND one = 1"));
  EXPECT_TRUE(Matches("KEYS = 'k1 k2'"));
  EXPECT_TRUE(Matches("KEYS CONTAINS 'k2'"));
  EXPECT_TRUE(Matches("KEYS = 'k'", StoredBytes({}, "", {"k"})));
  EXPECT_TRUE(Matches("KEYS = 'k' AND TAGS = 't'", StoredBytes({}, "t", {"k"})));
  EXPECT_TRUE(Matches("TAGS IS NULL AND KEYS IS NULL", StoredBytes({})));
}

TEST(SqlFilterTest, AMessageWithoutPropertiesMatchesOnlyWhatAsksForNone) {
  const StoredBytes bare({});
  EXPECT_FALSE(Matches("a = 1 OR b <> 'x' OR NOT c", bare));
  EXPECT_TRUE(Matches("TRUE", bare));
  EXPECT_TRUE(Matches("a IS NULL", bare));
}

TEST(SqlNumberTest, TakesDecimalsOnly) {
  EXPECT_EQ(SqlNumber("12"), SqlValue(int64_t{12}));
  EXPECT_EQ(SqlNumber("+12"), SqlValue(int64_t{12}));
  EXPECT_EQ(SqlNumber("-9223372036854775808"), SqlValue(std::numeric_limits<int64_t>::min()));
  EXPECT_EQ(SqlNumber("9223372036854775808"), SqlValue(9223372036854775808.0));
  EXPECT_EQ(SqlNumber(".5e1"), SqlValue(5.0));
  EXPECT_EQ(SqlNumber("-1.5"), SqlValue(-1.5));
  for (const char* text : {"", "+", "-", "+-1", "--1", " 1", "1 ", "1x", "inf", "nan", "-inf",
                           "0x10", "1e999", ".", "e5", "true"}) {
    EXPECT_EQ(SqlNumber(text), SqlValue()) << text;
  }
  EXPECT_EQ(SqlNumber(std::string(128, '1')), SqlValue(std::stod(std::string(128, '1'))));
  EXPECT_EQ(SqlNumber(std::string(129, '1')), SqlValue());
}

TEST(SqlFilterTest, TheCostCountsTheMessageAndTheExpression) {
  const auto short_filter = SqlFilter::Parse("a = 1");
  const auto long_filter = SqlFilter::Parse("a = 1 OR b = 2 OR c = 3");
  const StoredBytes small(std::map<std::string, std::string>{{"a", "1"}});
  const StoredBytes large(std::map<std::string, std::string>{{"a", std::string(10000, '1')}});
  EXPECT_GE(short_filter->Cost(large.content()), 10000u);
  EXPECT_LT(short_filter->Cost(small.content()), long_filter->Cost(small.content()));
}

}  // namespace
}  // namespace mansio::broker
