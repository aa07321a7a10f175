#ifndef MANSIO_STORE_LOG_FRAME_CODEC_H_
#define MANSIO_STORE_LOG_FRAME_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "store/log/frame.h"
#include "store/types.h"

// Frames to and from bytes. The layout is in store/log/frame.h. Pure functions, safe on any thread
// and on arbitrary bytes.
namespace mansio::store {

struct FrameHeader {
  FrameKind kind = FrameKind::kRecords;
  uint16_t assignments = 0;  // queue offsets that follow the header
  uint32_t payload_bytes = 0;
  uint32_t payload_crc = 0;  // CRC32C
  Epoch epoch = 0;
  LogOffset offset = 0;  // of the frame itself
  LogOffset synced = 0;  // what fdatasync had covered when the frame was written
  StoreTime store_time = 0;
  uint32_t records = 0;
  uint64_t segment_bytes = 0;  // length of the file that holds it: shows that a file was cut short
};

// Why bytes are not a good frame.
enum class FrameFault {
  kNone,
  kEnd,      // too few bytes for what the header says
  kNoFrame,  // the magic is missing
  kHeader,   // the header's checksum or a field is wrong
  kVersion,  // a good header of a format version this build does not know
  kOffset,   // a good frame that belongs to another place in the log
  kEpoch,    // a good frame of an older reign, or of a newer one without its EPOCH frame
  kPayload,  // a good header, but the payload's checksum is wrong
  kRecords,  // checksums are right, but the records do not fill the payload
};
// A clause for error sentences: "the checksum of the payload is wrong".
std::string_view FaultText(FrameFault fault);

// Bytes from the start of a frame to the start of the next one, padding included.
constexpr size_t FrameBytes(size_t assignments, size_t payload) {
  const size_t bytes = kFrameHeaderBytes + 8 * assignments + payload;
  return (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
}
inline size_t FrameBytes(const FrameHeader& header) {
  return FrameBytes(header.assignments, header.payload_bytes);
}
// Bytes from the start of a frame to its payload.
constexpr size_t PayloadStart(size_t assignments) { return kFrameHeaderBytes + 8 * assignments; }

// Writes the header to `frame`, whose assignments must already stand behind it (the checksum covers
// them), and zeroes the padding behind the payload.
void EncodeFrameHeader(const FrameHeader& header, char* frame);
void EncodeAssignment(size_t index, QueueOffset offset, char* frame);
QueueOffset DecodeAssignment(size_t index, std::string_view frame);

// Reads a header and checks all that does not need the payload. `bytes` starts at the frame and may
// end anywhere; kEnd when the header and its assignments are not in it completely.
FrameFault DecodeFrameHeader(std::string_view bytes, FrameHeader* header);

// Checks the payload of the frame at `bytes`, whose header has been decoded. kEnd when it is not
// all there.
FrameFault CheckPayload(std::string_view bytes, const FrameHeader& header);

// True when `bytes` begins with the magic: a quick test for searches.
bool LooksLikeFrame(std::string_view bytes);

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_FRAME_CODEC_H_
