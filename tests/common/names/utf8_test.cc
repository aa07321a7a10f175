#include "common/names/utf8.h"

#include <gtest/gtest.h>

#include <random>

#include "common/names/string_map.h"

namespace mansio {
namespace {

TEST(Utf8, AcceptsTheFirstAndLastOfEachLength) {
  for (std::string_view text :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xef\xbf\xbf", "\xed\x9f\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << EscapeForLog(text);
    EXPECT_EQ(SanitizeUtf8(text), text);
  }
}

TEST(Utf8, RefusesOverlongSurrogateTruncatedAndTooLarge) {
  for (std::string_view text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe4\xb8", "\xff", "a\xc2"}) {
    EXPECT_FALSE(IsValidUtf8(text)) << EscapeForLog(text);
    EXPECT_TRUE(HasControlCharacter(text)) << EscapeForLog(text);
  }
}

TEST(Utf8, SanitizedRandomBytesAreValid) {
  std::mt19937 random(7);
  for (int round = 0; round < 2'000; ++round) {
    std::string text(random() % 24, '\0');
    for (char& c : text) c = static_cast<char>(random());
    const std::string sanitized = SanitizeUtf8(text);
    EXPECT_TRUE(IsValidUtf8(sanitized));
    EXPECT_EQ(sanitized == text, IsValidUtf8(text));
    const std::string escaped = EscapeForLog(text, 1'000);
    EXPECT_TRUE(IsValidUtf8(escaped));
    EXPECT_FALSE(HasControlCharacter(escaped));
  }
}

TEST(Utf8, ControlCharactersAreTheTwoRangesOfTheContract) {
  for (std::string_view text : {std::string_view("\0", 1), std::string_view("a\x1f"),
                                std::string_view("\x7f"), std::string_view("\xc2\x9f")}) {
    EXPECT_TRUE(HasControlCharacter(text)) << EscapeForLog(text);
  }
  for (std::string_view text : {"", " ", "~", "\xc2\xa0", "消息", "😀"}) {
    EXPECT_FALSE(HasControlCharacter(text)) << text;
  }
}

TEST(Utf8, BlankMeansOnlyWhiteSpace) {
  for (std::string_view text : {"", " ", "\t\n", "\xe3\x80\x80", "\xe2\x80\x83 "}) {
    EXPECT_TRUE(IsBlank(text)) << EscapeForLog(text);
  }
  for (std::string_view text : {"a", " a ", "\xc2\xa0", "\xff"}) {
    EXPECT_FALSE(IsBlank(text)) << EscapeForLog(text);
  }
}

TEST(EscapeForLog, StaysOnOneLineAndShowsWhatWasThere) {
  EXPECT_EQ(EscapeForLog("orders"), "orders");
  EXPECT_EQ(EscapeForLog("a\nb\r\t\\"), "a\\nb\\r\\t\\\\");
  EXPECT_EQ(EscapeForLog("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(EscapeForLog("消\xff"), "消\\xff");
  EXPECT_EQ(EscapeForLog("\xe2\x80\xae"
                         "x"),
            "\\u202ex");
}

TEST(EscapeForLog, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(EscapeForLog("abcdef", 6), "abcdef");
  EXPECT_EQ(EscapeForLog("abcdefg", 6), "abcdef...(7 bytes)");
  EXPECT_EQ(EscapeForLog("消息", 4), "消...(6 bytes)");
}

TEST(StringMap, IsSearchedByStringView) {
  StringMap<int> map;
  map["orders"] = 1;
  const std::string text = "orders,payments";
  EXPECT_TRUE(map.contains(std::string_view(text).substr(0, 6)));
  EXPECT_EQ(map.find(std::string_view(text).substr(7)), map.end());
  StringSet set{"a"};
  EXPECT_TRUE(set.contains(std::string_view("a")));
  EXPECT_FALSE(set.contains(std::string_view("b")));
}

}  // namespace
}  // namespace mansio
