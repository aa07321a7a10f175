#ifndef MANSIO_STORE_LOG_FRAME_H_
#define MANSIO_STORE_LOG_FRAME_H_

#include <cstddef>
#include <cstdint>

// The layout of a frame, the log's atomic unit. The page docs/formats/commit-log.md explains it
// with a worked example that a test holds against this file. All numbers are little-endian.
//
//   frame   := header assignments payload padding-to-8
//   header  := kFrameHeaderBytes, below
//   assignments := one uint64 queue offset per message record, in order
//   payload := record*
//   record  := kind:u8 length:varint32 body[length]
//   message body := crc32c:u32 (of what follows) topic:varint queue:varint index:u16 frame_back:u32
//                   store_time:i64 tag_hash:u64 content…
//              index: which assignment is its queue offset; frame_back: bytes from the record's
//              start back to its frame's start
//
// | at | size | field |
// |  0 | 4 | magic "MNSF"                    |
// |  4 | 1 | format version                  |
// |  5 | 1 | frame kind                      |
// |  6 | 2 | number of assignments           |
// |  8 | 4 | payload length                  |
// | 12 | 4 | CRC32C of the payload           |
// | 16 | 8 | epoch                           |
// | 24 | 8 | the frame's own log offset      |
// | 32 | 8 | synced when it was written      |
// | 40 | 8 | store time, ms                  |
// | 48 | 4 | number of records               |
// | 52 | 8 | length of the segment file      |
// | 60 | 4 | CRC32C of bytes 0..59 and the assignments |
namespace mansio::store {

inline constexpr uint32_t kFrameMagic = 0x46534e4d;  // "MNSF"
inline constexpr uint8_t kFormatVersion = 1;
inline constexpr size_t kFrameHeaderBytes = 64;
inline constexpr size_t kFrameAlignment = 8;
// What a message may take more in the log when it is carried (store/retention/carry.h).
inline constexpr size_t kCarryOverheadBytes = 32;
inline constexpr size_t kMaxFrameBytes = 16 * 1024 * 1024;
inline constexpr size_t kMaxAssignments = 1024;

enum class FrameKind : uint8_t {
  kRecords = 1,
  kFiller = 2,  // ends a segment: nothing follows in it
  kEpoch = 3,   // the first frame of a reign; no payload
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_FRAME_H_
