#include "common/names/edit_distance.h"

#include "gtest/gtest.h"

namespace mansio {
namespace {

TEST(EditDistanceTest, CountsInsertedRemovedAndReplacedCharacters) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("topic", "topic"), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("describe", "descibe"), 1u);
  EXPECT_EQ(EditDistance("topic", "topics"), 1u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
}

TEST(EditDistanceTest, LongNamesMayDifferMore) {
  EXPECT_EQ(MostEditsOfAMistake("a"), 2u);
  EXPECT_EQ(MostEditsOfAMistake("twelve chars"), 4u);
}

}  // namespace
}  // namespace mansio
