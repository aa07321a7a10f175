#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "store/log/append_encoding.h"
#include "store/log/batch.h"
#include "store/log/frame_codec.h"
#include "store/log/tail_cache.h"
#include "tests/store/log/log_testing.h"

// Holds the worked example of docs/formats/commit-log.md against the code.
namespace mansio::store::testing {
namespace {

constexpr StoreTime kTime = 1'700'000'000'000;
constexpr uint64_t kFile = uint64_t{1} << 30;

// The bytes of the table rows "| offset | `hex` | meaning |", whose offsets must follow each other.
std::string BytesOfThePage() {
  std::ifstream page(MANSIO_SOURCE_DIR "/docs/formats/commit-log.md");
  EXPECT_TRUE(page.good());
  std::string bytes;
  for (std::string line; std::getline(page, line);) {
    const std::vector<std::string> cells = absl::StrSplit(line, " | ");
    if (cells.size() != 3 || !cells[1].starts_with('`')) continue;
    EXPECT_EQ(cells[0], "| " + std::to_string(bytes.size())) << line;
    std::istringstream hex(cells[1].substr(1, cells[1].size() - 2));
    for (std::string byte; hex >> byte;) {
      bytes.push_back(static_cast<char>(std::stoi(byte, nullptr, 16)));
    }
  }
  return bytes;
}

// Queue offset 41 for everyone.
class Assigner final : public LogObserver {
 public:
  QueueOffset AssignOffset(QueueKey) override { return 41; }
  void BatchBegin() override {}
  void Apply(const RecordView&, uint32_t) override {}
  void BatchEnd() override {}
  void SegmentEnded(LogOffset, LogOffset) override {}
};

class Nothing final : public Append {
 public:
  void Applied(const AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

TEST(FormatPageTest, TheWorkedExampleIsWhatTheCodeWrites) {
  std::string epoch(kFrameHeaderBytes, '\0');
  EncodeFrameHeader(
      {.kind = FrameKind::kEpoch, .epoch = 1, .store_time = kTime, .segment_bytes = kFile},
      epoch.data());

  auto append = std::make_unique<Nothing>();
  append->AddMessage({7, 3}, 0x1122334455667788, kTime, "hello");
  append->AddRecord(20, "note");
  ASSERT_TRUE(AppendEncoding::Seal(*append, kMaxFrameBytes).ok());
  std::vector<std::unique_ptr<Append>> queue;
  queue.push_back(std::move(append));
  TailCache cache(1 << 20);
  Batch batch(&cache);
  Assigner assigner;
  batch.Begin(64, {.epoch = 1, .synced = 64, .store_time = kTime, .segment_bytes = kFile});
  batch.Add(absl::MakeSpan(queue), Batch::Measure(queue, kFile), assigner);
  ASSERT_EQ(batch.pieces().size(), 1u);

  EXPECT_EQ(BytesOfThePage(), epoch + std::string(batch.pieces().front()));
}

}  // namespace
}  // namespace mansio::store::testing
