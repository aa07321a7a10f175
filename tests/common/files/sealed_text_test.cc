#include "common/files/sealed_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mansio {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SealedText kCup = {
    .name = "cup", .version = 3, .damaged = "says what is in it", .unknown = "buy a new one"};
constexpr char kFull[] =
    "mansio cup 3\n"
    "handle left\n"
    "content tea\n"
    "crc fc6cd327\n";

absl::Status OpenedAs(std::string_view content) { return kCup.Open(content, "a/cup").status(); }

TEST(SealedTextTest, HasVersionLinesAndChecksum) {
  EXPECT_EQ(kCup.Seal("handle left\ncontent tea\n"), kFull);
  const auto lines = kCup.Open(kFull, "a/cup");
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, ElementsAre("handle left", "content tea"));
}

TEST(SealedTextTest, MayHaveNoLines) {
  EXPECT_EQ(kCup.Seal(""), "mansio cup 3\ncrc 044b9a52\n");
  const auto lines = kCup.Open(kCup.Seal(""), "a/cup");
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_THAT(*lines, IsEmpty());
}

TEST(SealedTextTest, EveryDamageIsSeen) {
  const std::string good = kFull;
  const absl::Status damaged = absl::DataLossError("a/cup is damaged, and says what is in it");
  EXPECT_EQ(kCup.Damaged("a/cup"), damaged);
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(OpenedAs(good.substr(0, size)), damaged) << size;
  }
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] ^= 1;
    EXPECT_FALSE(OpenedAs(bad).ok()) << at;
  }
  for (const std::string& bad :
       {good + "x", "x" + good, good + good, std::string("mansio cup 3"), std::string("crc ")}) {
    EXPECT_EQ(OpenedAs(bad), damaged) << bad;
  }
  EXPECT_EQ(OpenedAs("mansio saucer 3\ncontent tea\ncrc 00000000\n"), damaged);
}

TEST(SealedTextTest, AnotherVersionIsNotTakenForDamage) {
  for (const int version : {2, 4}) {
    EXPECT_EQ(OpenedAs("mansio cup " + std::to_string(version) + "\nsomething else\n"),
              absl::FailedPreconditionError("a/cup is of version " + std::to_string(version) +
                                            ", and this program knows version 3 only: buy a new "
                                            "one"));
  }
}

}  // namespace
}  // namespace mansio
