#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "store/log/log_scanner.h"
#include "store/log/log_source.h"

namespace mansio::store {
namespace {

constexpr LogOffset kSegmentBytes = 256 << 20;
constexpr LogOffset kPage = 4096;
constexpr LogOffset kFolio = 64 << 10;

// A segment of zeros that counts what is asked of it. The system caches larger pieces than were
// read.
class ZeroSource final : public LogSource {
 public:
  // `hole`: nothing was written, which the file system knows except where it was read.
  explicit ZeroSource(bool hole) : hole_(hole), zeros_(1 << 20, '\0') {}

  std::optional<Span> SegmentAt(LogOffset offset) override {
    if (offset >= kSegmentBytes) return std::nullopt;
    return Span{0, kSegmentBytes};
  }
  absl::StatusOr<std::string_view> Peek(LogOffset offset, size_t bytes) override {
    const size_t size = std::min<uint64_t>({bytes, zeros_.size(), kSegmentBytes - offset});
    read_ += size;
    cached_end_ = std::max(cached_end_, (offset + size + kFolio - 1) / kFolio * kFolio);
    return std::string_view(zeros_).substr(0, size);
  }
  LogOffset NextData(LogOffset offset) override {
    ++questions_;
    return hole_ && offset >= cached_end_ ? kSegmentBytes : offset;
  }

  LogOffset NextHole(LogOffset offset) override {
    return hole_ && offset < cached_end_ ? cached_end_ : kSegmentBytes;
  }

  uint64_t read() const { return read_; }
  int questions() const { return questions_; }

 private:
  const bool hole_;
  const std::string zeros_;
  uint64_t read_ = 0;
  LogOffset cached_end_ = 0;
  int questions_ = 0;
};

TEST(SearchBeyondTest, AHoleIsNotRead) {
  for (const LogOffset at : {kPage, kPage + 8, 2 * kPage - 8}) {
    ZeroSource source(/*hole=*/true);
    const auto found = SearchBeyond(source, at, 1);
    ASSERT_TRUE(found.ok());
    EXPECT_FALSE(found->frame.has_value());
    EXPECT_LE(source.read(), 4u << 20) << at;
  }
}

TEST(SearchBeyondTest, WrittenZerosArePassedInLargeSteps) {
  ZeroSource source(/*hole=*/false);
  const auto found = SearchBeyond(source, 4096, 1);
  ASSERT_TRUE(found.ok());
  EXPECT_FALSE(found->frame.has_value());
  EXPECT_GE(source.read(), kSegmentBytes - 4096);
  EXPECT_LE(source.questions(), static_cast<int>(kSegmentBytes >> 20) + 1);
}

}  // namespace
}  // namespace mansio::store
