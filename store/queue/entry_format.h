#ifndef MANSIO_STORE_QUEUE_ENTRY_FORMAT_H_
#define MANSIO_STORE_QUEUE_ENTRY_FORMAT_H_

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/store.h"
#include "store/types.h"

// How ConsumeQueues stand in a checkpoint. docs/formats/consume-queue.md explains it with a worked
// example that a test holds against this file. Keys are big-endian, values little-endian.
//
//   "qr" topic:u32 queue:u32 first offset:u64 -> run or block
//   "qm" topic:u32 queue:u32                  -> queue record
//
//   "qc" topic:u32 queue:u32 block's first offset:u64 -> carried entries of the block
//
//   run, block   := store time of the first message:i64 entry*
//   entry        := log offset:u64 size:u32 tag hash:u64
//   carried      := (offset in its block:u8 entry)*
//   queue record := min:u64 next:u64 store time of the first message:i64 (0: not known)
//
// A run lies within one block, the 256 offsets from a multiple of 256 on. A block that is complete
// has been merged into one value.
namespace mansio::store {

inline constexpr size_t kEntryBytes = 20;
inline constexpr size_t kRunHeaderBytes = 8;
inline constexpr QueueOffset kBlockEntries = 256;

inline constexpr std::string_view kRunPrefix = "qr";
inline constexpr std::string_view kQueueRecordPrefix = "qm";
inline constexpr std::string_view kCarriedPrefix = "qc";

// One entry as it stands in memory and on disk.
using PackedEntry = std::array<char, kEntryBytes>;

PackedEntry PackEntry(const QueueEntry& entry);
QueueEntry UnpackEntry(const PackedEntry& packed);

std::string RunKey(QueueKey queue, QueueOffset first);
std::string QueueRecordKey(QueueKey queue);
// The prefixes of all runs and of all queue records of a topic.
std::string TopicRunPrefix(uint32_t topic);
std::string TopicRecordPrefix(uint32_t topic);

// The first offset in a key that RunKey made.
absl::StatusOr<QueueOffset> OffsetOfRunKey(std::string_view key);
absl::StatusOr<QueueKey> QueueOfRecordKey(std::string_view key);

std::string EncodeRun(StoreTime first_time, absl::Span<const PackedEntry> entries);

// A run read back: `count` entries of which the first has queue offset `first`.
struct RunView {
  StoreTime first_time = 0;
  size_t count = 0;
  PackedEntry At(size_t index) const;
  std::string_view entries;
};
// DataLoss when the length is not that of a run of 1 to 256 entries.
absl::StatusOr<RunView> DecodeRun(std::string_view value);

// The carried entries of one block, rising.
struct CarriedPackedEntry {
  uint8_t index = 0;  // offset behind the block's first
  PackedEntry entry;
};
std::string CarriedKey(QueueKey queue, QueueOffset block);
// The queue and the block's first offset.
absl::StatusOr<std::pair<QueueKey, QueueOffset>> PlaceOfCarriedKey(std::string_view key);
std::string EncodeCarried(absl::Span<const CarriedPackedEntry> entries);
absl::StatusOr<std::vector<CarriedPackedEntry>> DecodeCarried(std::string_view value);

struct QueueRecord {
  QueueOffset min = 0;
  QueueOffset next = 0;
  StoreTime first_time = 0;
};
std::string EncodeQueueRecord(const QueueRecord& record);
absl::StatusOr<QueueRecord> DecodeQueueRecord(std::string_view value);

}  // namespace mansio::store

#endif  // MANSIO_STORE_QUEUE_ENTRY_FORMAT_H_
