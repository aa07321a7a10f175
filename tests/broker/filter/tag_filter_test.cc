#include "broker/filter/tag_filter.h"

#include <gtest/gtest.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/message/stored_message.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

TEST(TagFilterTest, AllMatchesEverything) {
  for (const char* expression : {"", "*", " * "}) {
    const auto filter = TagFilter::Parse(expression);
    ASSERT_TRUE(filter.ok());
    EXPECT_TRUE(filter->all());
    EXPECT_TRUE(filter->MatchesTag(""));
    EXPECT_TRUE(filter->MatchesTag("x"));
  }
}

TEST(TagFilterTest, TagsAreTrimmedExactAndCaseSensitive) {
  const auto filter = TagFilter::Parse(" a ||  B||||c d ");
  ASSERT_TRUE(filter.ok());
  for (const char* tag : {"a", "B", "c d"}) {
    EXPECT_TRUE(filter->MatchesTag(tag)) << tag;
    EXPECT_TRUE(filter->MayMatch(TagHash(tag))) << tag;
  }
  for (const char* tag : {"", "A", "b", "c", "*"}) EXPECT_FALSE(filter->MatchesTag(tag)) << tag;
  EXPECT_FALSE(filter->MayMatch(TagHash("")));
}

TEST(TagFilterTest, IllegalExpressions) {
  for (const std::string& expression :
       {std::string("||"), std::string(" || || "), std::string(20000, 'a')}) {
    EXPECT_EQ(CodeOf(TagFilter::Parse(expression).status()),
              apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION);
  }
  std::string many;
  for (int i = 0; i < 300; ++i) many += "t" + std::to_string(i) + "||";
  EXPECT_EQ(CodeOf(TagFilter::Parse(many).status()),
            apache::rocketmq::v2::ILLEGAL_FILTER_EXPRESSION);
}

}  // namespace
}  // namespace mansio::broker
