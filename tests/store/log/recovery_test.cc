#include "store/log/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/crc/crc32c.h"
#include "store/log/frame_codec.h"
#include "store/log/tail_cut.h"
#include "tests/store/log/log_testing.h"

namespace mansio::store::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

StoreOptions Salvage() {
  StoreOptions options;
  options.salvage = true;
  return options;
}

// A log of EPOCH and the notes "one", "two", "three", each committed by itself: so the header of
// each says that all before it was synced. Each frame is 64 + 2 + 14 bytes, without padding.
class RecoveryTest : public ::testing::Test {
 protected:
  static constexpr size_t kFrame = 80;
  static std::string Note(std::string text) {
    text.resize(14, '.');
    return text;
  }

  void SetUp() override {
    RecordingFileSystem files;
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    for (const char* text : {"one", "two", "three"}) {
      ASSERT_TRUE(log.Write(Note(text)).ok());
      frames_.push_back(log.last.frame);
    }
    end_ = log.log->cursors().appended;
    ASSERT_EQ(end_, frames_.back() + kFrame);
    ASSERT_TRUE(log.log->Stop().ok());
    bytes_ = ReadFile(files, SegmentPath(0), 0, kSegment);
    ASSERT_EQ(bytes_.size(), kSegment);
  }

  // What recovery makes of these bytes as the only segment.
  absl::StatusOr<std::vector<std::string>> RecoverBytes(const std::string& bytes,
                                                        const RecoveryStart& start = {}) {
    auto files = DiskWith({{0, bytes}});
    TestLog log(files.get());
    if (absl::Status status = log.Recover(start); !status.ok()) return status;
    return log.Recovered();
  }

  std::vector<LogOffset> frames_;
  LogOffset end_ = 0;
  std::string bytes_;
};

TEST_F(RecoveryTest, ATailTornAtAnyByteIsCut) {
  for (LogOffset at = frames_[2]; at < end_; ++at) {
    SCOPED_TRACE(at);
    std::string torn = bytes_;
    std::fill(torn.begin() + at, torn.begin() + end_, '\0');
    auto files = DiskWith({{0, torn}});
    TestLog log(files.get());
    ASSERT_TRUE(log.Recover().ok());
    // The last byte of all is the text's, so no cut of it is the whole frame.
    EXPECT_THAT(log.Recovered(), ElementsAre(Note("one"), Note("two")));
    EXPECT_EQ(log.report.end, frames_[2]);
    // Nothing of the torn frame is left on the disk.
    const std::string after = ReadFile(*files, SegmentPath(0), 0, kSegment);
    EXPECT_EQ(after.substr(0, frames_[2]), bytes_.substr(0, frames_[2]));
    EXPECT_EQ(after.find_first_not_of('\0', frames_[2]), std::string::npos);
  }
}

TEST_F(RecoveryTest, AFlippedBitInTheLastFrameIsATornTail) {
  for (LogOffset at = frames_[2]; at < end_; ++at) {
    for (const LogOffset bit : {at % 8, (at + 3) % 8}) {
      std::string flipped = bytes_;
      flipped[at] ^= static_cast<char>(1 << bit);
      auto recovered = RecoverBytes(flipped);
      ASSERT_TRUE(recovered.ok()) << at << ": " << recovered.status();
      EXPECT_THAT(*recovered, ElementsAre(Note("one"), Note("two"))) << at << "/" << bit;
    }
  }
}

TEST_F(RecoveryTest, AFlippedBitBeforeTheSyncedPointIsDamage) {
  for (LogOffset at = 0; at < frames_[2]; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes_;
      flipped[at] ^= static_cast<char>(1 << bit);
      auto recovered = RecoverBytes(flipped);
      EXPECT_EQ(recovered.status().code(), absl::StatusCode::kDataLoss) << at << "/" << bit;
    }
  }
}

TEST_F(RecoveryTest, TheCheckpointKnowsWhatWasSynced) {
  std::string flipped = bytes_;
  flipped[frames_[2] + 70] ^= 1;
  const RecoveryStart start{.offset = frames_[1], .epoch = 1, .synced = end_};
  auto recovered = RecoverBytes(flipped, start);
  EXPECT_EQ(recovered.status().code(), absl::StatusCode::kDataLoss);
  recovered = RecoverBytes(bytes_, start);
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_THAT(*recovered, ElementsAre(Note("two"), Note("three")));
}

TEST_F(RecoveryTest, TheSentenceNamesFileOffsetReachAndCure) {
  std::string flipped = bytes_;
  flipped[frames_[1] + 70] ^= 1;
  const std::string message(RecoverBytes(flipped).status().message());
  EXPECT_THAT(message, HasSubstr(SegmentPath(0)));
  EXPECT_THAT(message, HasSubstr("log offset 144"));
  EXPECT_THAT(message, HasSubstr("checksum of the frame's payload"));
  EXPECT_THAT(message, HasSubstr("good frames go on at offset 224, 80 bytes further"));
  EXPECT_THAT(message, HasSubstr("durable up to offset 224"));
  EXPECT_THAT(message, HasSubstr("store.salvage=true"));
}

TEST_F(RecoveryTest, AZeroedFrameBeforeTheSyncedPointIsDamage) {
  std::string zeroed = bytes_;
  std::fill(zeroed.begin() + frames_[0], zeroed.begin() + frames_[1], '\0');
  EXPECT_EQ(RecoverBytes(zeroed).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RecoveryTest, SwappedFramesAreNotTaken) {
  std::string swapped = bytes_;
  std::swap_ranges(swapped.begin() + frames_[0], swapped.begin() + frames_[1],
                   swapped.begin() + frames_[1]);
  EXPECT_EQ(RecoverBytes(swapped).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RecoveryTest, AFileThatWasCutShortIsDamage) {
  // To a length that a segment may have, and to others; with and without frames lost.
  for (const size_t length :
       {size_t{0}, size_t{100}, size_t{4096}, kSegment - 1, kSegment - 4096}) {
    auto files = DiskWith({{0, bytes_.substr(0, length)}});
    TestLog log(files.get());
    const absl::Status status = log.Recover();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << length;
    EXPECT_THAT(std::string(status.message()), HasSubstr(SegmentPath(0)));
  }
  // A salvage gives it its length back.
  std::string big = bytes_ + std::string(kSegment, '\0');
  for (const LogOffset frame : {LogOffset{0}, frames_[0], frames_[1], frames_[2]}) {
    FrameHeader header;
    ASSERT_EQ(DecodeFrameHeader(std::string_view(big).substr(frame), &header), FrameFault::kNone);
    header.segment_bytes = 2 * kSegment;
    EncodeFrameHeader(header, big.data() + frame);
  }
  auto files = DiskWith({{0, big.substr(0, kSegment)}});
  TestLog refused(files.get());
  const absl::Status status = refused.Recover();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("has 65536 bytes instead of 131072"));
  TestLog log(files.get(), Salvage());
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_THAT(log.Recovered(), ElementsAre(Note("one"), Note("two"), Note("three")));
  EXPECT_EQ(ReadFile(*files, SegmentPath(0), 0, 3 * kSegment).size(), 2 * kSegment);
}

TEST_F(RecoveryTest, ANewerFormatIsRefusedAndLeftAlone) {
  std::string newer = bytes_;
  newer[frames_[2] + 4] = 2;
  const std::string header = newer.substr(frames_[2], 60);
  // A checksum that fits: the format is unknown, not damaged.
  FrameHeader decoded;
  for (int i = 0; i < 4; ++i) {
    newer[frames_[2] + 60 + i] = static_cast<char>(Crc32c(header) >> (8 * i));
  }
  EXPECT_EQ(DecodeFrameHeader(newer.substr(frames_[2]), &decoded), FrameFault::kVersion);
  auto recovered = RecoverBytes(newer);
  EXPECT_EQ(recovered.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(recovered.status().message()), HasSubstr("newer Mansio"));
}

TEST_F(RecoveryTest, SalvageKeepsWhatIsBeforeTheDamageAndMovesTheRestAside) {
  std::string flipped = bytes_;
  flipped[frames_[1] + 70] ^= 1;
  auto files = DiskWith({{0, flipped}});
  {
    TestLog log(files.get(), Salvage());
    ASSERT_TRUE(log.Begin().ok());
    EXPECT_THAT(log.Recovered(), ElementsAre(Note("one")));
    EXPECT_EQ(log.report.end, frames_[1]);
    ASSERT_TRUE(log.Write("new").ok());
    ASSERT_TRUE(log.log->Stop().ok());
  }
  const std::string aside = SegmentPath(frames_[1]) + ".salvaged";
  EXPECT_EQ(ReadFile(*files, aside, 0, 2 * kFrame), flipped.substr(frames_[1], 2 * kFrame));
  // The next start is a normal one, also with a checkpoint from before the salvage.
  for (const RecoveryStart& start :
       {RecoveryStart{}, RecoveryStart{.offset = frames_[0], .epoch = 1, .synced = end_}}) {
    TestLog log(files.get());
    ASSERT_TRUE(log.Recover(start).ok());
    EXPECT_THAT(log.Recovered(), ElementsAre(Note("one"), "new"));
  }
}

TEST_F(RecoveryTest, ALogThatEndsBeforeItsCheckpointSaysSo) {
  auto files = DiskWith({{0, bytes_}});
  TestLog log(files.get());
  EXPECT_EQ(log.Recover({.offset = 2 * kSegment, .epoch = 1, .synced = 2 * kSegment}).code(),
            absl::StatusCode::kOutOfRange);
  RecordingFileSystem empty;
  TestLog none(&empty);
  EXPECT_EQ(none.Recover({.offset = 64, .epoch = 1}).code(), absl::StatusCode::kOutOfRange);
  // The caller starts over from the log alone.
  ASSERT_TRUE(log.Recover({.offset = log.log->First()}).ok());
  EXPECT_EQ(log.recovered.size(), 3u);
}

// A log over several segments, with what lies at each of their ends.
class SegmentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    TestLog log(&files_);
    ASSERT_TRUE(log.Begin().ok());
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(log.Write(std::string(10'000, static_cast<char>('a' + i))).ok());
      frames_.push_back(log.last.frame);
    }
    ASSERT_GT(frames_.back(), 3 * kSegment);
    ASSERT_TRUE(log.log->Stop().ok());
  }

  void Flip(LogOffset offset) {
    const LogOffset first = offset / kSegment * kSegment;
    std::string byte = ReadFile(files_, SegmentPath(first), offset - first, 1);
    byte[0] ^= 1;
    WriteFile(files_, SegmentPath(first), offset - first, byte);
  }
  std::vector<std::string> Names() {
    auto names = files_.List("data/log");
    EXPECT_TRUE(names.ok());
    return *names;
  }

  RecordingFileSystem files_;
  std::vector<LogOffset> frames_;
};

TEST_F(SegmentsTest, DamageIsProvenByFramesInLaterSegments) {
  // The last frame of the first segment: the next good one is in another file.
  const auto last = std::find_if(frames_.begin(), frames_.end(),
                                 [](LogOffset frame) { return frame >= kSegment; }) -
                    1;
  Flip(*last + 500);
  TestLog log(&files_);
  const absl::Status status = log.Recover();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  // The filler behind it is intact.
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::to_string(*last)));
}

TEST_F(SegmentsTest, AMissingFileIsNamed) {
  ASSERT_TRUE(files_.Remove(SegmentPath(kSegment)).ok());
  TestLog log(&files_);
  const absl::Status status = log.Recover();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr(SegmentPath(kSegment) + " is missing"));
}

TEST_F(SegmentsTest, SalvageEndsTheLogAtAMissingFile) {
  ASSERT_TRUE(files_.Remove(SegmentPath(kSegment)).ok());
  TestLog log(&files_, Salvage());
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.report.end, kSegment);
  EXPECT_EQ(log.recovered.back().position.offset / kSegment, 0u);
  std::vector<std::string> aside;
  for (const std::string& name : Names()) {
    if (name.ends_with(".salvaged")) aside.push_back(name);
  }
  EXPECT_THAT(aside, UnorderedElementsAre("00000000000000131072.salvaged",
                                          "00000000000000196608.salvaged"));
  ASSERT_TRUE(log.Write("on").ok());
}

TEST_F(SegmentsTest, SalvageMovesLaterSegmentsAside) {
  Flip(frames_[8] + 500);
  const LogOffset first = frames_[8] / kSegment * kSegment;
  ASSERT_EQ(first, kSegment);
  TestLog log(&files_, Salvage());
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.recovered.size(), 8u);
  EXPECT_EQ(log.report.end, frames_[8]);
  ASSERT_TRUE(log.Write("on").ok());
  ASSERT_TRUE(log.log->Stop().ok());
  EXPECT_THAT(Names(), ::testing::IsSupersetOf(
                           {"00000000000000131072.salvaged", "00000000000000196608.salvaged"}));
  TestLog again(&files_);
  ASSERT_TRUE(again.Begin().ok());
  EXPECT_EQ(again.recovered.size(), 9u);
}

TEST_F(SegmentsTest, AnInterruptedSalvageCanBeRepeated) {
  Flip(frames_[8] + 500);
  for (uint64_t operation = 1;; ++operation) {
    auto disk = files_.CrashCopy(RecordingFileSystem::CrashMode::kDropAll, 1);
    disk->PowerOffAt(disk->operations() + operation);
    bool done = false;
    {
      TestLog log(disk.get(), Salvage());
      done = log.Recover().ok();
    }
    disk->Crash(RecordingFileSystem::CrashMode::kDropAll, operation);
    TestLog log(disk.get(), Salvage());
    ASSERT_TRUE(log.Begin().ok()) << operation;
    EXPECT_EQ(log.recovered.size(), 8u) << operation;
    if (done) break;
  }
}

TEST_F(SegmentsTest, ReplayFromACheckpointBeginsThere) {
  TestLog log(&files_);
  ASSERT_TRUE(log.Recover({.offset = frames_[12], .epoch = 1, .synced = frames_[12]}).ok());
  EXPECT_EQ(log.recovered.size(), 8u);
  EXPECT_EQ(log.recovered.front().position.offset, frames_[12] + kFrameHeaderBytes);
  EXPECT_EQ(log.report.replayed_bytes, log.report.end - frames_[12]);
}

TEST_F(SegmentsTest, FilesNeededByTheCheckpointMayNotBeMissing) {
  ASSERT_TRUE(files_.Remove(SegmentPath(0)).ok());
  TestLog log(&files_);
  EXPECT_EQ(log.Recover({.offset = frames_[2], .epoch = 1, .synced = frames_[2]}).code(),
            absl::StatusCode::kDataLoss);
}

// Frames that a cut left behind must never come back, whatever is appended in front of them.
TEST(GivenUpTest, ALogThatIsGivenUpIsReadTheNextTime) {
  RecordingFileSystem files;
  const std::string text(100'000, 'x');
  const auto write = [&](TestLog& log) {
    ASSERT_TRUE(log.Begin().ok());
    for (int i = 0; i < 30; ++i) ASSERT_TRUE(log.Write(text).ok());
  };
  StoreOptions options;
  options.segment_bytes = 4 << 20;
  {
    TestLog log(&files, options);
    write(log);
  }
  for (const int after : {0, 1}) {
    TestLog log(&files, options);
    int asked = 0;
    log.give_up = [&] { return asked++ == after; };
    EXPECT_TRUE(absl::IsCancelled(log.Recover()));
    EXPECT_LT(log.recovered.size(), 30u);
    EXPECT_EQ(log.recovered.empty(), after == 0);
  }
  TestLog log(&files, options);
  log.give_up = [] { return false; };
  ASSERT_TRUE(log.Begin().ok());
  EXPECT_EQ(log.Recovered().size(), 30u);
}

TEST(StaleFramesTest, AFrameOfAnOlderReignBehindTheTailIsNotTaken) {
  RecordingFileSystem files;
  std::vector<LogOffset> frames;
  {
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    for (const char* text : {"one", "two", "three", "four"}) {
      ASSERT_TRUE(log.Write(std::string(62, text[0])).ok());  // frames of 128 bytes
      frames.push_back(log.last.frame);
    }
  }
  const std::string old = ReadFile(files, SegmentPath(0), 0, kSegment);
  // As if the second life had begun at "two" without zeroing: an EPOCH frame (64 bytes) and a frame
  // of 64 bytes more end exactly where the old "three" begins.
  std::string cut = old.substr(0, frames[1]);
  cut.resize(kSegment, '\0');
  auto disk = DiskWith({{0, cut}});
  {
    TestLog log(disk.get());
    ASSERT_TRUE(log.Begin().ok());
    ASSERT_EQ(log.report.end, frames[1]);
    ASSERT_TRUE(log.log->Stop().ok());
  }
  std::string merged = ReadFile(*disk, SegmentPath(0), 0, kSegment);
  for (const LogOffset tail : {frames[1] + 64, frames[2]}) {
    // The old frames stand behind the tail; for the second tail a filling record ends right there.
    std::string bytes = merged.substr(0, tail) + old.substr(tail);
    if (tail == frames[2]) {
      EncodeFrameHeader({.kind = FrameKind::kEpoch,
                         .epoch = 3,
                         .offset = frames[1] + 64,
                         .synced = frames[1] + 64,
                         .segment_bytes = kSegment},
                        bytes.data() + frames[1] + 64);
    }
    auto stale = DiskWith({{0, bytes}});
    TestLog log(stale.get());
    ASSERT_TRUE(log.Recover().ok());
    EXPECT_EQ(log.Recovered().size(), 1u);
    EXPECT_EQ(log.report.end, tail);
  }
}

TEST(StaleFramesTest, NoCrashOfASecondLifeBringsBackWhatTheFirstOneLost) {
  using Mode = RecordingFileSystem::CrashMode;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    RecordingFileSystem files;
    std::vector<std::string> kept;
    {
      StoreOptions async;
      async.durability = Durability::kAsync;
      async.flush_interval = absl::Hours(1);
      TestLog log(&files, async);
      ASSERT_TRUE(log.Begin().ok());
      for (int i = 0; i < 30; ++i) {
        ASSERT_TRUE(log.Write("old " + std::to_string(i) + std::string(300, 'o')).ok());
      }
      files.Crash(Mode::kRandomSubset, seed);
    }
    {
      TestLog log(&files);
      ASSERT_TRUE(log.Begin().ok());
      kept = log.Recovered();
      ASSERT_TRUE(log.Write("new").ok());
      kept.push_back("new");
      files.Crash(Mode::kRandomSubset, seed + 1000);
    }
    TestLog log(&files);
    ASSERT_TRUE(log.Begin().ok());
    EXPECT_EQ(log.Recovered(), kept);
    EXPECT_EQ(log.log->epoch(), 3u);
  }
}

TEST(CrashTest, SyncKeepsWhatWasAnsweredAtEveryCrashPoint) {
  using Mode = RecordingFileSystem::CrashMode;
  // One run to learn how many operations there are.
  const auto run = [](RecordingFileSystem& files, std::vector<std::string>* answered) {
    TestLog log(&files);
    if (!log.Begin().ok()) return;
    for (int i = 0; i < 25; ++i) {
      std::string text = std::to_string(i) + std::string(6000, 'c');
      if (!log.Write(text).ok()) return;
      answered->push_back(std::move(text));
    }
  };
  uint64_t operations = 0;
  {
    RecordingFileSystem files;
    std::vector<std::string> answered;
    run(files, &answered);
    ASSERT_EQ(answered.size(), 25u);
    operations = files.operations();
  }
  for (uint64_t at = 1; at <= operations; ++at) {
    SCOPED_TRACE(at);
    RecordingFileSystem files;
    files.PowerOffAt(at);
    std::vector<std::string> answered;
    run(files, &answered);
    files.Crash(at % 2 == 0 ? Mode::kDropAll : Mode::kRandomSubset, at);
    TestLog log(&files);
    const absl::Status status = log.Begin();
    ASSERT_TRUE(status.ok()) << status;
    const auto recovered = log.Recovered();
    ASSERT_GE(recovered.size(), answered.size());
    EXPECT_TRUE(std::equal(answered.begin(), answered.end(), recovered.begin()));
    ASSERT_TRUE(log.Write("goes on").ok());
  }
}

}  // namespace
}  // namespace mansio::store::testing
