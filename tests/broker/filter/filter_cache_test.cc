#include "broker/filter/filter_cache.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {
namespace {

namespace v2 = apache::rocketmq::v2;

TEST(FilterCacheTest, SubscribersWithOneExpressionShareAFilter) {
  FilterCache cache;
  const auto first = cache.Get(v2::SQL, "a = 1");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(*cache.Get(v2::SQL, "a = 1"), *first);
  EXPECT_NE(*cache.Get(v2::SQL, "a = 2"), *first);
  EXPECT_EQ(cache.size(), 2u);
}

TEST(FilterCacheTest, TheSameTextOfAnotherTypeIsAnotherFilter) {
  FilterCache cache;
  EXPECT_TRUE((*cache.Get(v2::SQL, "TRUE"))->reads_messages());
  EXPECT_FALSE((*cache.Get(v2::TAG, "TRUE"))->reads_messages());
  EXPECT_FALSE((*cache.Get(v2::FILTER_TYPE_UNSPECIFIED, "*"))->reads_messages());
}

TEST(FilterCacheTest, KeepsWhatWasUsedLast) {
  FilterCache cache({.filters = 2});
  const FilterPtr a = *cache.Get(v2::TAG, "a");
  const FilterPtr b = *cache.Get(v2::TAG, "b");
  EXPECT_EQ(*cache.Get(v2::TAG, "a"), a);
  ASSERT_TRUE(cache.Get(v2::TAG, "c").ok());
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(*cache.Get(v2::TAG, "a"), a);
  EXPECT_NE(*cache.Get(v2::TAG, "b"), b) << "b was used least recently";
}

TEST(FilterCacheTest, KeepsABoundedAmountOfText) {
  FilterCache cache({.kept_text = 1000});
  const FilterPtr first = *cache.Get(v2::TAG, std::string(600, 'a'));
  ASSERT_TRUE(cache.Get(v2::TAG, std::string(600, 'b')).ok());
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_NE(*cache.Get(v2::TAG, std::string(600, 'a')), first);
  ASSERT_TRUE(cache.Get(v2::TAG, std::string(2000, 'c')).ok()) << "served, and not kept";
  EXPECT_EQ(cache.size(), 0u);
}

TEST(FilterCacheTest, RefusesMoreTextThanAllLivingFiltersMayHave) {
  FilterCache cache({.filters = 1, .living_text = 1000});
  FilterPtr held = *cache.Get(v2::TAG, std::string(400, 'a'));
  ASSERT_TRUE(cache.Get(v2::TAG, std::string(400, 'b')).ok());
  EXPECT_EQ(CodeOf(cache.Get(v2::TAG, std::string(400, 'c')).status()), v2::TOO_MANY_REQUESTS);
  EXPECT_TRUE(cache.Get(v2::TAG, std::string(400, 'b')).ok()) << "it is there already";
  held.reset();
  EXPECT_TRUE(cache.Get(v2::TAG, std::string(400, 'c')).ok());
}

TEST(FilterCacheTest, AFilterOutlivesItsCache) {
  auto cache = std::make_unique<FilterCache>();
  const FilterPtr filter = *cache->Get(v2::TAG, "a");
  cache.reset();
  EXPECT_TRUE(filter->MayMatch(TagHash("a")));
}

TEST(FilterCacheTest, WrongExpressionsAreNotKept) {
  FilterCache cache;
  EXPECT_EQ(CodeOf(cache.Get(v2::SQL, "a >").status()), v2::ILLEGAL_FILTER_EXPRESSION);
  EXPECT_EQ(CodeOf(cache.Get(v2::TAG, "||").status()), v2::ILLEGAL_FILTER_EXPRESSION);
  EXPECT_EQ(CodeOf(cache.Get(7, "a").status()), v2::NOT_IMPLEMENTED);
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace mansio::broker
