#include "common/metrics/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace mansio::metrics {
namespace {

using ::testing::ElementsAre;

constexpr std::array<int64_t, 3> kBounds = {10, 20, 40};

TEST(HistogramTest, AValueIsInTheFirstBucketWhoseBoundItDoesNotExceed) {
  Histogram<kBounds> histogram;
  for (const int64_t value : {0, 10, 11, 40, 41, 1000}) histogram.Record(value);
  const HistogramSnapshot snapshot = histogram.Snapshot();
  EXPECT_THAT(snapshot.bounds, ElementsAre(10, 20, 40));
  EXPECT_THAT(snapshot.buckets, ElementsAre(2, 1, 1, 2));
  EXPECT_EQ(snapshot.count(), 6u);
  EXPECT_EQ(snapshot.sum, 1102);
}

TEST(HistogramTest, SeveralThreadsLoseNothing) {
  Histogram<kBounds> histogram;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&histogram] {
      for (int i = 0; i < 10000; ++i) histogram.Record(15);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(histogram.Snapshot().buckets, ElementsAre(0, 40000, 0, 0));
  EXPECT_EQ(histogram.Snapshot().sum, 600000);
}

TEST(HistogramTest, CoarserBucketsHoldTheSameValues) {
  const HistogramSnapshot fine{{10, 20, 40}, {1, 2, 3, 4}, 100};
  EXPECT_THAT(fine.Coarser({20}).buckets, ElementsAre(3, 7));
  EXPECT_THAT(fine.Coarser({10, 40}).buckets, ElementsAre(1, 5, 4));
  EXPECT_THAT(fine.Coarser({}).buckets, ElementsAre(10));
  EXPECT_EQ(fine.Coarser({20}).sum, 100);
}

TEST(HistogramTest, MergedHistogramsHoldBoth) {
  HistogramSnapshot a{{10}, {1, 2}, 30};
  a.Merge({{10}, {10, 20}, 300});
  EXPECT_THAT(a.buckets, ElementsAre(11, 22));
  EXPECT_EQ(a.sum, 330);
}

}  // namespace
}  // namespace mansio::metrics
