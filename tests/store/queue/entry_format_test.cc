#include "store/queue/entry_format.h"

#include <gtest/gtest.h>

#include <cctype>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/status.h"

namespace mansio::store {
namespace {

constexpr QueueKey kQueue{5, 2};

// The bytes of the block "```hex <name>" in docs/formats/consume-queue.md.
std::string Documented(const std::string& name) {
  std::ifstream page(MANSIO_SOURCE_DIR "/docs/formats/consume-queue.md");
  std::string line;
  while (std::getline(page, line) && line != "```hex " + name) {
  }
  std::string bytes;
  while (std::getline(page, line) && line != "```") {
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
    }
  }
  return bytes;
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
    text += ' ';
  }
  return text;
}

TEST(EntryFormatTest, CarriedEntriesAreAsDocumented) {
  const CarriedPackedEntry entries[] = {{44, PackEntry({65'536, 250, 0})},
                                        {255, PackEntry({65'800, 250, 0})}};
  ASSERT_EQ(Documented("carried-key").size(), 18u);
  EXPECT_EQ(Hex(CarriedKey(kQueue, 256)), Hex(Documented("carried-key")));
  EXPECT_EQ(Hex(EncodeCarried(entries)), Hex(Documented("carried-value")));

  const auto place = PlaceOfCarriedKey(Documented("carried-key"));
  ASSERT_TRUE(place.ok());
  EXPECT_EQ(place->first, kQueue);
  EXPECT_EQ(place->second, 256u);
  const auto decoded = DecodeCarried(Documented("carried-value"));
  ASSERT_EQ(decoded->size(), 2u);
  EXPECT_EQ((*decoded)[1].index, 255);
  EXPECT_EQ(UnpackEntry((*decoded)[1].entry).log_offset, 65'800u);
}

TEST(EntryFormatTest, RunIsAsDocumented) {
  const PackedEntry entries[] = {PackEntry({4096, 250, 0x1122334455667788}),
                                 PackEntry({4352, 300, 0})};
  ASSERT_EQ(Documented("run-key").size(), 18u);
  EXPECT_EQ(Hex(RunKey(kQueue, 300)), Hex(Documented("run-key")));
  EXPECT_EQ(Hex(EncodeRun(1'700'000'000'123, entries)), Hex(Documented("run-value")));

  const std::string value = Documented("run-value");
  const RunView run = *DecodeRun(value);
  EXPECT_EQ(run.first_time, 1'700'000'000'123);
  ASSERT_EQ(run.count, 2u);
  EXPECT_EQ(UnpackEntry(run.At(0)).tag_hash, 0x1122334455667788u);
  EXPECT_EQ(UnpackEntry(run.At(1)).log_offset, 4352u);
  EXPECT_EQ(UnpackEntry(run.At(1)).size, 300u);
  EXPECT_EQ(*OffsetOfRunKey(Documented("run-key")), 300u);
}

TEST(EntryFormatTest, QueueRecordIsAsDocumented) {
  EXPECT_EQ(Hex(QueueRecordKey(kQueue)), Hex(Documented("record-key")));
  EXPECT_EQ(Hex(EncodeQueueRecord({0, 302, 1'700'000'000'000})), Hex(Documented("record-value")));
  const QueueRecord record = *DecodeQueueRecord(Documented("record-value"));
  EXPECT_EQ(record.min, 0u);
  EXPECT_EQ(record.next, 302u);
  EXPECT_EQ(record.first_time, 1'700'000'000'000);
  EXPECT_EQ(*QueueOfRecordKey(Documented("record-key")), kQueue);
}

TEST(EntryFormatTest, KeysAreOrderedLikeOffsets) {
  EXPECT_LT(RunKey({1, 2}, 255), RunKey({1, 2}, 256));
  EXPECT_LT(RunKey({1, 2}, ~QueueOffset{0}), RunKey({1, 3}, 0));
  EXPECT_LT(RunKey({1, 300}, 0), RunKey({2, 0}, 0));
}

TEST(EntryFormatTest, ImpossibleLengthsAreDamage) {
  EXPECT_TRUE(absl::IsDataLoss(DecodeRun("").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeRun(std::string(8, 0)).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeRun(std::string(8 + 21, 0)).status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeRun(std::string(8 + 257 * 20, 0)).status()));
  EXPECT_TRUE(absl::IsDataLoss(OffsetOfRunKey("qr").status()));
  EXPECT_TRUE(absl::IsDataLoss(QueueOfRecordKey("qm1").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeQueueRecord("short").status()));
  EXPECT_TRUE(absl::IsDataLoss(DecodeQueueRecord(EncodeQueueRecord({2, 1, 0})).status()));
}

}  // namespace
}  // namespace mansio::store
