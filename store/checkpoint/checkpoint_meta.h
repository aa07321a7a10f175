#ifndef MANSIO_STORE_CHECKPOINT_CHECKPOINT_META_H_
#define MANSIO_STORE_CHECKPOINT_CHECKPOINT_META_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::store {

// The keys of a checkpoint. Each owner has a prefix of its own.
inline constexpr std::string_view kMetaKey = "meta";
inline constexpr std::string_view kMachinePrefix = "s";  // pairs of the StateMachine
inline constexpr std::string_view kEpochsKey = "epochs";  // store/log/epoch_history.h
inline constexpr std::string_view kQueuePrefix = "q";    // store/queue/entry_format.h
inline constexpr std::string_view kSegmentPrefix = "g";  // store/retention/segment_times.h

inline constexpr uint32_t kCheckpointFormat = 1;

// What a checkpoint stands for: the fold of every record below `offset`.
struct CheckpointMeta {
  LogOffset offset = 0;
  Epoch epoch = 0;           // of the last record below `offset`
  LogOffset synced = 0;      // what fdatasync had covered; never below `offset`
  StoreTime store_time = 0;  // of the last record below `offset`
  LogOffset trimmed = 0;     // the log's minimum by the last TRIM record
  LogOffset snapshot = 0;    // where the last complete SNAPSHOT was captured; 0: none
};

std::string EncodeMeta(const CheckpointMeta& meta);
// DataLoss for a wrong length or a format that this program does not know.
absl::StatusOr<CheckpointMeta> DecodeMeta(std::string_view value);

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_CHECKPOINT_META_H_
