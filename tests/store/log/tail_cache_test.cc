#include "store/log/tail_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

namespace mansio::store {
namespace {

constexpr uint64_t kLimit = 64 << 10;  // chunks of 8 KiB

// Writes `count` frames of `bytes`, each filled with the low byte of its number; returns the end.
LogOffset Fill(TailCache& cache, LogOffset at, int count, size_t bytes) {
  for (int i = 0; i < count; ++i) {
    std::memset(cache.Reserve(at, bytes), static_cast<int>(at / bytes), bytes);
    at += bytes;
    cache.Publish(at);
  }
  return at;
}

TEST(TailCacheTest, KeepsTheNewestAndStaysWithinItsLimit) {
  TailCache cache(kLimit);
  const LogOffset end = Fill(cache, 0, 1000, 1000);
  EXPECT_LE(cache.bytes(), kLimit);
  EXPECT_FALSE(cache.Find(0, 1000).has_value());
  EXPECT_FALSE(cache.Find(end, 1).has_value());
  EXPECT_FALSE(cache.Find(end - 1000, 1001).has_value());
  int found = 0;
  for (LogOffset at = 0; at < end; at += 1000) {
    auto bytes = cache.Find(at, 1000);
    if (!bytes.has_value()) continue;
    ++found;
    EXPECT_EQ(bytes->bytes.size(), 1000u);
    EXPECT_EQ(bytes->bytes[999], static_cast<char>(at / 1000));
  }
  EXPECT_GT(found, 45);
}

TEST(TailCacheTest, NothingIsVisibleBeforeItIsPublished) {
  TailCache cache(kLimit);
  std::memset(cache.Reserve(64, 100), 'a', 100);
  EXPECT_FALSE(cache.Find(64, 100).has_value());
  cache.Publish(164);
  EXPECT_TRUE(cache.Find(64, 100).has_value());
  EXPECT_TRUE(cache.Find(100, 64).has_value());
  EXPECT_FALSE(cache.Find(63, 2).has_value());
}

TEST(TailCacheTest, ALargeFrameIsContiguousAndOffsetsMaySkip) {
  TailCache cache(kLimit);
  Fill(cache, 0, 3, 1000);
  const size_t large = kLimit / 2;
  std::memset(cache.Reserve(100'000, large), 'L', large);
  cache.Publish(100'000 + large);
  auto bytes = cache.Find(100'000, large);
  ASSERT_TRUE(bytes.has_value());
  EXPECT_EQ(bytes->bytes, std::string(large, 'L'));
  EXPECT_FALSE(cache.Find(50'000, 1).has_value());
}

TEST(TailCacheTest, PinnedBytesStayValidAndCount) {
  TailCache cache(kLimit);
  LogOffset end = Fill(cache, 0, 60, 1000);
  std::vector<LogBytes> pinned;
  for (LogOffset at = end - 40'000; at < end; at += 1000) {
    auto bytes = cache.Find(at, 1000);
    ASSERT_TRUE(bytes.has_value());
    pinned.push_back(*bytes);
  }
  const uint64_t before = cache.bytes();
  end = Fill(cache, end, 300, 1000);
  // The pinned chunks are out of the cache but not freed: the cache has shrunk instead.
  EXPECT_FALSE(cache.Find(20'000, 1000).has_value());
  EXPECT_GE(cache.bytes(), 40'000u);
  EXPECT_LE(cache.bytes(), before + 16 * 1024);
  for (size_t i = 0; i < pinned.size(); ++i) {
    EXPECT_EQ(pinned[i].bytes, std::string(1000, static_cast<char>(20 + i)));
  }
  pinned.clear();
  EXPECT_LE(cache.bytes(), kLimit / 2);
}

TEST(TailCacheTest, PinnedBytesOutliveTheCache) {
  LogBytes kept;
  {
    TailCache cache(kLimit);
    Fill(cache, 0, 3, 1000);
    kept = *cache.Find(1000, 1000);
  }
  EXPECT_EQ(kept.bytes, std::string(1000, 1));
}

TEST(TailCacheTest, WhatIsBeingWrittenSurvivesAnyLimit) {
  TailCache cache(1);
  std::vector<char*> places;
  LogOffset at = 0;
  for (int i = 0; i < 50; ++i, at += 4000) {  // one batch over many chunks
    places.push_back(cache.Reserve(at, 4000));
    std::memset(places.back(), i, 4000);
  }
  cache.Publish(at);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(places[i][3999], i);
}

TEST(TailCacheTest, ReadersRunBesideTheWriter) {
  TailCache cache(kLimit);
  std::atomic<LogOffset> end{0};
  std::atomic<bool> done{false};
  std::atomic<int> hits{0};
  std::thread reader([&] {
    while (!done.load()) {
      const LogOffset upto = end.load();
      if (upto == 0) continue;
      auto bytes = cache.Find(upto - 1000, 1000);
      if (!bytes.has_value()) continue;  // passed by already
      hits.fetch_add(1);
      for (const char byte : bytes->bytes) ASSERT_EQ(byte, static_cast<char>(upto / 1000 - 1));
    }
  });
  LogOffset at = 0;
  for (int i = 0; i < 20'000 || (hits.load() == 0 && i < 50'000'000); ++i) {
    at = Fill(cache, at, 1, 1000);
    end.store(at);
  }
  done.store(true);
  reader.join();
  EXPECT_GT(hits.load(), 0);
}

}  // namespace
}  // namespace mansio::store
