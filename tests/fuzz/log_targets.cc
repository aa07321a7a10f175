// The commit log's own formats: frames and records.

#include <algorithm>
#include <cstring>

#include "common/crc/crc32c.h"
#include "store/log/append_encoding.h"
#include "store/log/frame_codec.h"
#include "store/log/frame_reader.h"
#include "store/log/little_endian.h"
#include "store/log/log_scanner.h"
#include "store/log/log_source.h"
#include "store/log/record_codec.h"
#include "tests/fuzz/targets.h"

namespace mansio::fuzz {
namespace {

using namespace store;  // NOLINT(google-build-using-namespace): all of it is about the store

constexpr LogOffset kSegmentFirst = 4096;

// ---- Seeds ----

class SeedAppend final : public Append {
 public:
  void Applied(const AppendResult&) override {}
  void Failed(const absl::Status&) override {}
};

std::string Frame(FrameKind kind, LogOffset offset, Epoch epoch, Append* append = nullptr) {
  FrameHeader header{.kind = kind,
                     .epoch = epoch,
                     .offset = offset,
                     .synced = offset / 2,
                     .store_time = 1700000000000,
                     .segment_bytes = 1 << 16};
  std::string_view payload;
  if (append != nullptr) {
    MANSIO_FUZZ_CHECK(AppendEncoding::Seal(*append, kMaxFrameBytes).ok());
    payload = AppendEncoding::Payload(*append);
    header.assignments = static_cast<uint16_t>(AppendEncoding::Messages(*append).size());
    header.payload_bytes = static_cast<uint32_t>(payload.size());
    header.payload_crc = AppendEncoding::PayloadCrc(*append);
    header.records = static_cast<uint32_t>(AppendEncoding::Starts(*append).size());
  }
  std::string frame(FrameBytes(header), '\0');
  for (size_t i = 0; i < header.assignments; ++i) EncodeAssignment(i, 100 + i, frame.data());
  std::copy(payload.begin(), payload.end(), frame.begin() + PayloadStart(header.assignments));
  EncodeFrameHeader(header, frame.data());
  return frame;
}

void AddRecords(Append& append) {
  append.AddMessage({1, 2}, 77, 1700000000000, "the content of a message");
  append.AddRecord(33, "a lease");
  append.AddMessage({300, 0}, 0, 1700000000001, "");
}

std::string Segment() {
  std::string segment = Frame(FrameKind::kEpoch, kSegmentFirst, 3);
  for (int i = 0; i < 3; ++i) {
    SeedAppend append;
    AddRecords(append);
    segment += Frame(FrameKind::kRecords, kSegmentFirst + segment.size(), 3, &append);
  }
  segment += Frame(FrameKind::kEpoch, kSegmentFirst + segment.size(), 4);
  segment += std::string(512, '\0');
  return segment;
}

// A first byte of 1 has the checksums mended (Repair), of 0 not.
std::vector<std::string> ScannerSeeds() {
  const std::string segment = Segment();
  const std::string filler = Frame(FrameKind::kFiller, kSegmentFirst, 3) + std::string(64, '\0');
  return {"\1" + segment, std::string(1, '\0') + segment, "\1" + filler};
}

std::vector<std::string> PayloadSeeds() {
  SeedAppend append;
  AddRecords(append);
  MANSIO_FUZZ_CHECK(AppendEncoding::Seal(append, kMaxFrameBytes).ok());
  return {std::string(AppendEncoding::Payload(append))};
}

// ---- Targets ----

// Gives each frame of `segment` the place and the checksums that it should have: a mutant with
// wrong ones never gets past them.
void Repair(std::string& segment) {
  for (size_t at = 0; at + kFrameHeaderBytes <= segment.size();) {
    char* frame = segment.data() + at;
    const size_t room = segment.size() - at - kFrameHeaderBytes;
    const auto assignments = static_cast<uint16_t>(
        std::min<size_t>(LoadLittle<uint16_t>(frame + 6) % (kMaxAssignments + 1), room / 8));
    const auto payload_bytes = static_cast<uint32_t>(
        std::min<size_t>(LoadLittle<uint32_t>(frame + 8), room - 8 * assignments));
    const char* payload = frame + PayloadStart(assignments);
    const LogOffset offset = kSegmentFirst + at;
    StoreLittle<uint32_t>(kFrameMagic, frame);
    StoreLittle<uint8_t>(kFormatVersion, frame + 4);
    StoreLittle<uint16_t>(assignments, frame + 6);
    StoreLittle<uint32_t>(payload_bytes, frame + 8);
    StoreLittle<uint32_t>(Crc32c({payload, payload_bytes}), frame + 12);
    StoreLittle<uint64_t>(offset, frame + 24);
    StoreLittle<uint64_t>(std::min(LoadLittle<uint64_t>(frame + 32), offset), frame + 32);
    const uint32_t crc = Crc32c({frame, 60});
    StoreLittle<uint32_t>(ExtendCrc32c(crc, {frame + kFrameHeaderBytes, size_t{8} * assignments}),
                          frame + 60);
    at += FrameBytes(assignments, payload_bytes);
  }
}

void CheckRecordsOf(const LogScanner::Frame& frame) {
  const char* begin = frame.bytes.data();
  const char* end = begin + frame.bytes.size();
  uint32_t visited = 0;
  const FrameFault fault =
      ForEachRecord(frame.header, frame.bytes, true, [&](const RecordView& record, uint32_t) {
        ++visited;
        MANSIO_FUZZ_CHECK(record.body.data() >= begin);
        MANSIO_FUZZ_CHECK(record.body.data() + record.body.size() <= end);
        MANSIO_FUZZ_CHECK(record.position.offset >= frame.header.offset);
        MANSIO_FUZZ_CHECK(record.position.offset < frame.header.offset + frame.bytes.size());
      });
  MANSIO_FUZZ_CHECK(visited <= frame.header.records);
  MANSIO_FUZZ_CHECK(fault != FrameFault::kNone || visited == frame.header.records);
}

// The first byte: whether to repair; the rest is a segment.
int ScanLog(const uint8_t* data, size_t size) {
  std::string_view input = AsText(data, size);
  const bool repair = TakeByte(input) % 2 == 1;
  std::string segment(input);
  if (repair) Repair(segment);
  MemorySource source(kSegmentFirst, segment);
  const LogOffset end = kSegmentFirst + segment.size();

  LogScanner scanner(&source, kSegmentFirst, 0, 0, 0);
  LogOffset before = scanner.position();
  while (true) {
    const auto frame = scanner.Next();
    MANSIO_FUZZ_CHECK(frame.ok());  // memory can always be read
    if (!frame->has_value()) break;
    MANSIO_FUZZ_CHECK(scanner.position() > before);
    MANSIO_FUZZ_CHECK(scanner.synced() <= scanner.position());
    before = scanner.position();
    CheckRecordsOf(**frame);
  }
  MANSIO_FUZZ_CHECK(scanner.fault() != FrameFault::kNone);
  MANSIO_FUZZ_CHECK(scanner.position() <= std::max(end, kSegmentFirst));

  const auto beyond = SearchBeyond(source, scanner.position(), scanner.epoch());
  MANSIO_FUZZ_CHECK(beyond.ok());
  MANSIO_FUZZ_CHECK(beyond->written_end <= end);
  MANSIO_FUZZ_CHECK(!beyond->frame.has_value() || *beyond->frame > scanner.position());
  MANSIO_FUZZ_CHECK(!beyond->frame.has_value() || *beyond->frame < end);
  return 0;
}

// What a slave is sent. The first byte: whether to repair.
int CheckSentFrames(const uint8_t* data, size_t size) {
  std::string_view input = AsText(data, size);
  const bool repair = TakeByte(input) % 2 == 1;
  std::string frames(input);
  if (repair) Repair(frames);
  const auto checked = CheckFrames(frames, /*epoch=*/2);
  if (!checked.ok()) return 0;
  MANSIO_FUZZ_CHECK(checked->end - checked->first == frames.size());
  MANSIO_FUZZ_CHECK(checked->new_reigns.size() <= frames.size() / kFrameHeaderBytes);
  return 0;
}

void CheckMessage(std::string_view body) {
  EncodedMessage message;
  if (!DecodeMessageBody(body, &message)) return;
  const size_t bytes = MessageBodyBytes(message.queue, message.content.size());
  MANSIO_FUZZ_CHECK(bytes <= body.size());
  if (bytes < body.size()) return;  // a varint longer than needed
  std::string again(bytes, '\0');
  char* content = EncodeMessagePrefix(message, again.data());
  std::copy(message.content.begin(), message.content.end(), content);
  SealMessageBody(message.frame_back, again.data(), again.size());
  MANSIO_FUZZ_CHECK(again.substr(4) == body.substr(4));
  MANSIO_FUZZ_CHECK(MessageCrcIsRight(again));
  MANSIO_FUZZ_CHECK(MessageCrcIsRight(body) == (again == body));
}

// A frame's payload.
int ReadRecords(const uint8_t* data, size_t size) {
  std::string_view rest = AsText(data, size);
  EncodedRecord record;
  while (true) {
    const size_t before = rest.size();
    if (!TakeRecord(rest, &record)) break;
    MANSIO_FUZZ_CHECK(rest.size() + record.bytes == before);
    MANSIO_FUZZ_CHECK(record.body.size() < record.bytes);
    CheckMessage(record.body);
  }
  return 0;
}

}  // namespace

std::vector<Target> LogTargets() {
  return {{"log_scanner", ScanLog, ScannerSeeds, 20'000},
          {"frame_check", CheckSentFrames, ScannerSeeds, 20'000},
          {"record_codec", ReadRecords, PayloadSeeds, 40'000}};
}

}  // namespace mansio::fuzz
