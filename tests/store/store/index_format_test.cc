#include "store/index/index_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"

namespace mansio::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

using Matches = std::vector<std::pair<LogOffset, uint32_t>>;

// Looks a hash up as the index does; nullopt when that meets damage.
std::optional<Matches> LookUp(const std::string& file, uint64_t hash) {
  const auto header = DecodeIndexHeader(file);
  if (!header.ok() || header->file_bytes != file.size()) return std::nullopt;
  const size_t at = IndexDirectoryAt(IndexBucketOf(*header, hash));
  const auto place = DecodeIndexDirectory(*header, std::string_view(file).substr(at, 8));
  if (!place.ok()) return std::nullopt;
  Matches matches;
  const absl::Status searched = SearchIndexBucket(
      *header, std::string_view(file).substr(place->begin, place->end - place->begin), hash,
      [&](LogOffset offset, uint32_t topic) { matches.emplace_back(offset, topic); });
  if (!searched.ok()) return std::nullopt;
  return matches;
}

constexpr IndexHeader kHeader{
    .begin = 4096, .end = 16384, .epoch = 3, .first_time = 100, .last_time = 200};

TEST(IndexFormatTest, EveryEntryIsFoundAndHardlyAnythingElse) {
  std::mt19937_64 random(1);
  std::vector<IndexEntry> entries;
  for (uint32_t i = 0; i < 5000; ++i) entries.push_back({random(), i, i % 300});
  std::vector<IndexEntry> sorted = entries;
  const std::string file = EncodeIndexFile(kHeader, sorted);
  EXPECT_LT(file.size(), entries.size() * 8);
  for (const IndexEntry& entry : entries) {
    EXPECT_THAT(LookUp(file, entry.hash), ::testing::Optional(::testing::Contains(
                                              Pair(kHeader.begin + entry.relative, entry.topic))));
  }
  int wrong = 0;
  for (int i = 0; i < 5000; ++i) wrong += !LookUp(file, random())->empty();
  EXPECT_LT(wrong, 50);
}

TEST(IndexFormatTest, EntriesOfOneKeyComeInTheOrderOfTheLog) {
  constexpr uint64_t kHash = 0x7700000000000000;
  std::vector<IndexEntry> entries = {
      {kHash, 300, 1}, {kHash >> 1, 10, 2}, {kHash, 100, 3}, {kHash, 200, 1}};
  const std::string file = EncodeIndexFile(kHeader, entries);
  EXPECT_THAT(LookUp(file, kHash),
              ::testing::Optional(ElementsAre(Pair(4196, 3), Pair(4296, 1), Pair(4396, 1))));
}

TEST(IndexFormatTest, EntriesAreSorted) {
  std::mt19937_64 random(3);
  for (const size_t count : {1, 2, 17, 300, 20000}) {
    std::vector<IndexEntry> entries;
    for (uint32_t i = 0; i < count; ++i) {
      // Half of them with few keys.
      entries.push_back({i % 2 == 0 ? random() : (random() % 5) << 61, i, 1});
    }
    EncodeIndexFile(kHeader, entries);
    EXPECT_EQ(entries.size(), count);
    EXPECT_TRUE(std::is_sorted(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
      return std::tie(a.hash, a.relative) < std::tie(b.hash, b.relative);
    })) << count;
  }
}

TEST(IndexFormatTest, AFileWithoutEntries) {
  std::vector<IndexEntry> none;
  const std::string file = EncodeIndexFile(kHeader, none);
  EXPECT_THAT(LookUp(file, 77), ::testing::Optional(IsEmpty()));
  const auto header = DecodeIndexHeader(file);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->end, 16384u);
  EXPECT_EQ(header->epoch, 3u);
  EXPECT_EQ(header->last_time, 200);
}

TEST(IndexFormatTest, AnyFlippedBitIsNoticedWhereItMatters) {
  std::mt19937_64 random(2);
  std::vector<IndexEntry> entries;
  for (uint32_t i = 0; i < 600; ++i) entries.push_back({random(), i, 1});
  std::vector<IndexEntry> sorted = entries;
  const std::string good = EncodeIndexFile(kHeader, sorted);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << random() % 8));
    const IndexEntry& entry = entries[random() % entries.size()];
    const auto found = LookUp(bad, entry.hash);
    if (!found.has_value()) continue;
    EXPECT_EQ(*found, *LookUp(good, entry.hash)) << at;
  }
}

// Holds the worked example of docs/formats/key-index.md against the code.
TEST(IndexFormatTest, TheWorkedExampleIsWhatTheCodeWrites) {
  std::ifstream page(MANSIO_SOURCE_DIR "/docs/formats/key-index.md");
  ASSERT_TRUE(page.good());
  std::string bytes;
  for (std::string line; std::getline(page, line);) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() != 3 || cells[1].empty() || cells[1].front() != '`') continue;
    EXPECT_EQ(cells[0], "| " + std::to_string(bytes.size())) << line;
    std::istringstream hex(cells[1].substr(1, cells[1].size() - 2));
    for (std::string byte; hex >> byte;) {
      bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
    }
  }
  std::vector<IndexEntry> entries = {{0x4000000000000000, 96, 7}, {0x8000100000000000, 96, 7}};
  const std::string file = EncodeIndexFile({.begin = 0,
                                            .end = 256,
                                            .epoch = 1,
                                            .first_time = 1'700'000'000'000,
                                            .last_time = 1'700'000'000'000},
                                           entries);
  EXPECT_EQ(absl::BytesToHexString(bytes), absl::BytesToHexString(file));
}

}  // namespace
}  // namespace mansio::store
