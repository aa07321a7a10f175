#ifndef MANSIO_STORE_RECORD_H_
#define MANSIO_STORE_RECORD_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "store/types.h"

// Kinds of records in the log, one number space. A folder owns the kinds of its range and declares
// them in its own header; the ranges stand here so that two features never take the same number.
namespace mansio::store {

using RecordKind = uint8_t;

inline constexpr RecordKind kMessageRecord = 1;
inline constexpr RecordKind kTrimRecord = 2;
inline constexpr RecordKind kSnapshotBeginRecord = 3;
inline constexpr RecordKind kSnapshotEntryRecord = 4;  // one key and value of derived state
inline constexpr RecordKind kSnapshotEndRecord = 5;
inline constexpr RecordKind kCarryRecord = 6;  // a live message, out of a segment that goes
//  1..15  store
// 16..31  broker/metadata: topics, groups, the handle key
// 32..47  broker/consumption: cursors, leases, acks
// 48..63  broker/transaction
// 64..79  broker/delay
// 80..95  broker/replication
// 96..111 broker/deadletter

// A message as it stands in the log: what the rpc thread encoded and the log thread placed.
struct MessageView {
  QueueKey queue;
  QueueOffset queue_offset = 0;
  uint64_t tag_hash = 0;  // broker/message/stored_message.h: EntryHash, tag and message group
  StoreTime store_time = 0;
  std::string_view content;  // opaque to the store: broker/message/stored_message.h
};

// One committed record, handed to Apply in log order.
struct RecordView {
  RecordKind kind = 0;
  LogPosition position;      // of the record itself
  StoreTime store_time = 0;  // of its frame; never falls along the log
  std::string_view body;     // for kMessageRecord: see `message`
  const MessageView* message = nullptr;
  bool replay = false;  // true while recovery folds the log
};

// Bytes of the log that stay valid while `owner` lives (a chunk of the tail cache or a read
// buffer).
struct LogBytes {
  std::shared_ptr<const void> owner;
  std::string_view bytes;
};

// A message that was read back: the view points into `bytes`.
struct StoredMessage {
  MessageView view;
  LogBytes bytes;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_RECORD_H_
