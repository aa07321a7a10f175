#include "store/log/frame_codec.h"

#include <cstring>

#include "common/crc/crc32c.h"
#include "store/log/little_endian.h"

namespace mansio::store {
namespace {

constexpr size_t kCrcAt = 60;

// Of the header without itself, and of the assignments.
uint32_t HeaderCrc(const char* frame, size_t assignments) {
  const uint32_t crc = Crc32c(std::string_view(frame, kCrcAt));
  return ExtendCrc32c(crc, std::string_view(frame + kFrameHeaderBytes, 8 * assignments));
}

bool FieldsMakeSense(const FrameHeader& header) {
  if (header.epoch > kMaxEpoch) return false;
  switch (header.kind) {
    case FrameKind::kRecords:
      return header.records > 0 && header.assignments <= header.records;
    case FrameKind::kFiller:
    case FrameKind::kEpoch:
      return header.records == 0 && header.assignments == 0 && header.payload_bytes == 0;
  }
  return false;
}

}  // namespace

std::string_view FaultText(FrameFault fault) {
  switch (fault) {
    case FrameFault::kNone:
      return "nothing is wrong";
    case FrameFault::kEnd:
      return "the file ends inside the frame";
    case FrameFault::kNoFrame:
      return "no frame begins there";
    case FrameFault::kHeader:
      return "the frame's header is damaged";
    case FrameFault::kVersion:
      return "the frame has a format version that this build does not know";
    case FrameFault::kOffset:
      return "the frame belongs to another place in the log";
    case FrameFault::kEpoch:
      return "the frame's epoch does not follow from the frames before it";
    case FrameFault::kPayload:
      return "the checksum of the frame's payload is wrong";
    case FrameFault::kRecords:
      return "the frame's records do not fill its payload";
  }
  return "unknown fault";
}

void EncodeFrameHeader(const FrameHeader& header, char* frame) {
  char* at = StoreLittle<uint32_t>(kFrameMagic, frame);
  at = StoreLittle<uint8_t>(kFormatVersion, at);
  at = StoreLittle<uint8_t>(static_cast<uint8_t>(header.kind), at);
  at = StoreLittle<uint16_t>(header.assignments, at);
  at = StoreLittle<uint32_t>(header.payload_bytes, at);
  at = StoreLittle<uint32_t>(header.payload_crc, at);
  at = StoreLittle<uint64_t>(header.epoch, at);
  at = StoreLittle<uint64_t>(header.offset, at);
  at = StoreLittle<uint64_t>(header.synced, at);
  at = StoreLittle<int64_t>(header.store_time, at);
  at = StoreLittle<uint32_t>(header.records, at);
  at = StoreLittle<uint64_t>(header.segment_bytes, at);
  StoreLittle<uint32_t>(HeaderCrc(frame, header.assignments), at);
  const size_t end = PayloadStart(header.assignments) + header.payload_bytes;
  std::memset(frame + end, 0, FrameBytes(header) - end);
}

void EncodeAssignment(size_t index, QueueOffset offset, char* frame) {
  StoreLittle<uint64_t>(offset, frame + PayloadStart(index));
}

QueueOffset DecodeAssignment(size_t index, std::string_view frame) {
  return LoadLittle<uint64_t>(frame.data() + PayloadStart(index));
}

bool LooksLikeFrame(std::string_view bytes) {
  return bytes.size() >= 4 && LoadLittle<uint32_t>(bytes.data()) == kFrameMagic;
}

FrameFault DecodeFrameHeader(std::string_view bytes, FrameHeader* header) {
  if (bytes.size() >= 4 && !LooksLikeFrame(bytes)) return FrameFault::kNoFrame;
  if (bytes.size() < kFrameHeaderBytes) return FrameFault::kEnd;
  const char* at = bytes.data();
  const uint8_t version = LoadLittle<uint8_t>(at + 4);
  header->kind = static_cast<FrameKind>(LoadLittle<uint8_t>(at + 5));
  header->assignments = LoadLittle<uint16_t>(at + 6);
  header->payload_bytes = LoadLittle<uint32_t>(at + 8);
  header->payload_crc = LoadLittle<uint32_t>(at + 12);
  header->epoch = LoadLittle<uint64_t>(at + 16);
  header->offset = LoadLittle<uint64_t>(at + 24);
  header->synced = LoadLittle<uint64_t>(at + 32);
  header->store_time = LoadLittle<int64_t>(at + 40);
  header->records = LoadLittle<uint32_t>(at + 48);
  header->segment_bytes = LoadLittle<uint64_t>(at + 52);
  // Lengths first: a damaged one must not make the caller read gigabytes.
  if (header->assignments > kMaxAssignments || FrameBytes(*header) > kMaxFrameBytes) {
    return FrameFault::kHeader;
  }
  if (bytes.size() < PayloadStart(header->assignments)) return FrameFault::kEnd;
  if (LoadLittle<uint32_t>(at + kCrcAt) != HeaderCrc(at, header->assignments)) {
    return FrameFault::kHeader;
  }
  if (version != kFormatVersion) return FrameFault::kVersion;
  return FieldsMakeSense(*header) ? FrameFault::kNone : FrameFault::kHeader;
}

FrameFault CheckPayload(std::string_view bytes, const FrameHeader& header) {
  if (bytes.size() < FrameBytes(header)) return FrameFault::kEnd;
  const auto payload = bytes.substr(PayloadStart(header.assignments), header.payload_bytes);
  return Crc32c(payload) == header.payload_crc ? FrameFault::kNone : FrameFault::kPayload;
}

}  // namespace mansio::store
