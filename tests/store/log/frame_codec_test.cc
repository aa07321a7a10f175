#include "store/log/frame_codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "common/crc/crc32c.h"
#include "store/log/append_encoding.h"
#include "store/log/batch.h"
#include "store/log/little_endian.h"
#include "store/log/log_scanner.h"
#include "store/log/record_codec.h"
#include "tests/store/log/log_testing.h"

namespace mansio::store::testing {
namespace {

TEST(VarintTest, RoundTripAndBadOnes) {
  for (const uint32_t value : {0u, 1u, 127u, 128u, 16383u, 16384u, 2097151u, 2097152u, 268435455u,
                               268435456u, UINT32_MAX}) {
    char bytes[5];
    const size_t size = StoreVarint(value, bytes) - bytes;
    EXPECT_EQ(size, VarintBytes(value));
    std::string_view rest(bytes, size);
    uint32_t read = 0;
    ASSERT_TRUE(TakeVarint(rest, &read));
    EXPECT_EQ(read, value);
    EXPECT_TRUE(rest.empty());
    std::string_view cut(bytes, size - 1);
    EXPECT_FALSE(TakeVarint(cut, &read));
  }
  for (const auto& bad : {std::string("\xff\xff\xff\xff\x1f"), std::string(6, '\x80')}) {
    std::string_view rest(bad);
    uint32_t read = 0;
    EXPECT_FALSE(TakeVarint(rest, &read));
  }
}

// A random frame by the log thread's own encoder, and what it should hold.
struct Sample {
  std::string frame;
  std::vector<Seen> records;
};

class CountingObserver final : public LogObserver {
 public:
  QueueOffset AssignOffset(QueueKey queue) override { return 1000 * queue.queue + count_++; }
  void BatchBegin() override {}
  void Apply(const RecordView&, uint32_t) override {}
  void BatchEnd() override {}
  void SegmentEnded(LogOffset, LogOffset) override {}

 private:
  QueueOffset count_ = 0;
};

class NullAppend final : public Append {
 public:
  void Applied(const AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

std::string RandomText(std::mt19937_64& random, size_t max) {
  std::string text(random() % (max + 1), '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

Sample RandomFrame(std::mt19937_64& random, LogOffset offset) {
  Sample sample;
  auto append = std::make_unique<NullAppend>();
  const size_t records = 1 + random() % 8;
  for (size_t i = 0; i < records; ++i) {
    Seen seen;
    seen.text = RandomText(random, 300);
    if (random() % 2 == 0) {
      seen.kind = kMessageRecord;
      seen.queue = {static_cast<uint32_t>(random() >> (random() % 64)),
                    static_cast<uint32_t>(random() % 5)};
      seen.tag_hash = random();
      append->AddMessage(seen.queue, seen.tag_hash, static_cast<StoreTime>(random()), seen.text);
    } else {
      seen.kind = static_cast<RecordKind>(2 + random() % 250);
      append->AddRecord(seen.kind, seen.text);
    }
    sample.records.push_back(seen);
  }
  EXPECT_TRUE(AppendEncoding::Seal(*append, kMaxFrameBytes).ok());
  std::vector<std::unique_ptr<Append>> queue;
  queue.push_back(std::move(append));
  TailCache cache(1 << 20);
  Batch batch(&cache);
  CountingObserver observer;
  batch.Begin(offset,
              {.epoch = 5, .synced = offset / 2, .store_time = 99, .segment_bytes = 1 << 20});
  const auto unit = Batch::Measure(queue, 1 << 20);
  batch.Add(absl::MakeSpan(queue), unit, observer);
  sample.frame = std::string(batch.pieces().front());
  for (size_t i = 0, message = 0; i < records; ++i) {
    Seen& seen = sample.records[i];
    seen.position = {5, batch.placed()[0].result.records[i]};
    if (seen.kind == kMessageRecord) {
      seen.queue_offset = batch.placed()[0].result.queue_offsets[message++];
    }
  }
  return sample;
}

TEST(FrameCodecTest, RandomFramesComeBackAsTheyWere) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const LogOffset offset = (random() % (1 << 19)) / 8 * 8;
    const Sample sample = RandomFrame(random, offset);
    FrameHeader header;
    ASSERT_EQ(DecodeFrameHeader(sample.frame, &header), FrameFault::kNone);
    ASSERT_EQ(CheckPayload(sample.frame, header), FrameFault::kNone);
    EXPECT_EQ(header.offset, offset);
    EXPECT_EQ(header.synced, offset / 2);
    EXPECT_EQ(FrameBytes(header), sample.frame.size());
    std::vector<Seen> seen;
    ASSERT_EQ(ForEachRecord(header, sample.frame, false,
                            [&](const RecordView& record, uint32_t bytes) {
                              seen.push_back(ToSeen(record, bytes));
                              if (record.message == nullptr) return;
                              // A message record alone is enough to find its frame.
                              EncodedMessage message;
                              ASSERT_TRUE(DecodeMessageBody(record.body, &message));
                              EXPECT_EQ(record.position.offset - message.frame_back, offset);
                              EXPECT_TRUE(MessageCrcIsRight(record.body));
                            }),
              FrameFault::kNone);
    ASSERT_EQ(seen.size(), sample.records.size());
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].kind, sample.records[i].kind);
      EXPECT_EQ(seen[i].text, sample.records[i].text);
      EXPECT_EQ(seen[i].queue, sample.records[i].queue);
      EXPECT_EQ(seen[i].queue_offset, sample.records[i].queue_offset);
      EXPECT_EQ(seen[i].position, sample.records[i].position);
      EXPECT_EQ(seen[i].tag_hash, sample.records[i].tag_hash);
    }
  }
}

TEST(FrameCodecTest, CutFramesAreRecognised) {
  std::mt19937_64 random(2);
  const Sample sample = RandomFrame(random, 0);
  for (size_t size = 0; size < sample.frame.size(); ++size) {
    FrameHeader header;
    const std::string_view cut = std::string_view(sample.frame).substr(0, size);
    const FrameFault fault = DecodeFrameHeader(cut, &header);
    if (fault == FrameFault::kNone) {
      EXPECT_EQ(CheckPayload(cut, header), FrameFault::kEnd);
    } else {
      EXPECT_EQ(fault, FrameFault::kEnd) << size;
    }
  }
}

TEST(FrameCodecTest, RecordsThatDoNotFillThePayloadAreRefused) {
  std::string frame(128, '\0');
  for (const auto& payload : {std::string("\x14\x01"), std::string("\x14\x01xy"),
                              std::string("\x14"), std::string("\x01\x02zz", 4)}) {
    std::copy(payload.begin(), payload.end(), frame.begin() + kFrameHeaderBytes);
    FrameHeader header{.payload_bytes = static_cast<uint32_t>(payload.size()),
                       .payload_crc = Crc32c(payload),
                       .epoch = 1,
                       .records = 1,
                       .segment_bytes = kSegment};
    EncodeFrameHeader(header, frame.data());
    ASSERT_EQ(CheckPayload(frame, header), FrameFault::kNone);
    EXPECT_EQ(ForEachRecord(header, frame, true, [](const RecordView&, uint32_t) {}),
              FrameFault::kRecords);
  }
}

// Walks and searches arbitrary bytes, as recovery does. Returns how many frames it took.
int Scan(std::string_view bytes) {
  MemorySource source(0, bytes);
  LogScanner scanner(&source, 0, 0, 0, 0);
  int frames = 0;
  for (;;) {
    auto frame = scanner.Next();
    EXPECT_TRUE(frame.ok());
    if (!frame.ok() || !frame->has_value()) break;
    ++frames;
    static_cast<void>(
        ForEachRecord((*frame)->header, (*frame)->bytes, true, [](const RecordView&, uint32_t) {}));
  }
  EXPECT_LE(scanner.position(), bytes.size());
  EXPECT_TRUE(SearchBeyond(source, scanner.position(), scanner.epoch()).ok());
  return frames;
}

TEST(LogScannerTest, ArbitraryBytesNeitherCrashNorLoop) {
  std::mt19937_64 random(3);
  std::string log;
  int whole = 0;
  for (; log.size() < 20'000; ++whole) log += RandomFrame(random, log.size()).frame;
  EXPECT_EQ(Scan(log), whole);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = log;
    for (uint64_t change = 0; change <= random() % 6; ++change) {
      const size_t at = random() % bytes.size();
      switch (random() % 5) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:  // lengths and kinds of the header, with a checksum that fits again
          if (const size_t frame = at / 8 * 8; frame + 200 < bytes.size()) {
            FrameHeader header;
            if (DecodeFrameHeader(std::string_view(bytes).substr(frame), &header) ==
                FrameFault::kNone) {
              header.payload_bytes = static_cast<uint32_t>(random() >> (32 + random() % 32));
              header.records = static_cast<uint32_t>(random() % 10);
              if (PayloadStart(header.assignments) + header.payload_bytes + 8 <
                  bytes.size() - frame) {
                EncodeFrameHeader(header, bytes.data() + frame);
              }
            }
          }
          break;
        case 2:
          bytes.resize(std::max<size_t>(at, 1));
          break;
        case 3:
          std::fill_n(bytes.begin() + at, std::min<size_t>(bytes.size() - at, random() % 5000), 0);
          break;
        case 4:
          bytes.insert(at, RandomText(random, 50));
          break;
      }
    }
    EXPECT_LE(Scan(bytes), whole);
  }
  for (int round = 0; round < 200; ++round) Scan(RandomText(random, 5000));
}

TEST(LogScannerTest, SyncedBeyondANewerReignDoesNotCount) {
  // A reign that began at 64 although 500 had been claimed: a salvage cut the log there.
  std::string bytes(kSegment, '\0');
  EncodeFrameHeader({.kind = FrameKind::kEpoch, .epoch = 4, .segment_bytes = kSegment},
                    bytes.data());
  EncodeFrameHeader(
      {.kind = FrameKind::kEpoch, .epoch = 6, .offset = 64, .segment_bytes = kSegment},
      bytes.data() + 64);
  MemorySource source(0, bytes);
  LogScanner scanner(&source, 0, 4, 500, 0);
  while ((*scanner.Next()).has_value()) {
  }
  EXPECT_EQ(scanner.position(), 128u);
  EXPECT_EQ(scanner.synced(), 64u);
  EXPECT_EQ(scanner.fault(), FrameFault::kNoFrame);
}

}  // namespace
}  // namespace mansio::store::testing
