#ifndef MANSIO_STORE_APPEND_H_
#define MANSIO_STORE_APPEND_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "store/record.h"
#include "store/types.h"

namespace mansio::store {

// What the log thread assigned to one append.
struct AppendResult {
  Epoch epoch = 0;
  LogOffset frame = 0;                        // start of the frame that holds it
  absl::InlinedVector<LogOffset, 2> records;  // log offset of each record, in order of adding
  absl::InlinedVector<QueueOffset, 2> queue_offsets;  // of each message, in order of adding
  LogPosition PositionOf(size_t record) const { return {epoch, records[record]}; }
};

// One atomic unit on its way into the log: all of its records become part of the history, or none.
// Made and filled on any thread (encoding and checksums happen there, outside any lock), then given
// to Store::Submit, which owns it until the last callback has returned.
//
// Exactly one of these sequences happens, all on the log thread, none of which may block:
//   Appended, Applied   the record is in the log; later committed and applied
//   Appended, Failed    written, but it could not be made durable (the broker stops acknowledging)
//   Failed              never written
//
// When an append without messages is never written, neither is anything that was submitted before
// its Failed has returned: whoever decided on top of it is told too, and no record of a later
// decision stands in the log without those of the earlier ones (a full disk that has room again).
class Append {
 public:
  Append() = default;
  virtual ~Append() = default;
  Append(const Append&) = delete;
  Append& operator=(const Append&) = delete;

  // Adds a message for the next offset of `queue`. `content` is opaque and is copied; `store_time`
  // is broker time now. An append with messages is a frame of its own; at most 1,024 messages.
  void AddMessage(QueueKey queue, uint64_t tag_hash, StoreTime store_time,
                  std::string_view content);
  // As above, for a content that is encoded straight into the append: returns `size` writable bytes
  // that must be filled before SealMessage() is called, and before anything else is added.
  char* BeginMessage(QueueKey queue, uint64_t tag_hash, StoreTime store_time, size_t size);
  void SealMessage();
  // Adds a record of another kind. Records of several small appends without messages share a frame.
  void AddRecord(RecordKind kind, std::string_view body);

  // The bytes that it will take in the log, without the frame header.
  size_t size() const { return payload_.size(); }
  bool empty() const { return starts_.empty(); }

  // The records are in the page cache and have their positions, but are not durable and not
  // applied. Only an effect that at-least-once allows to be lost may be shown here (a lease: design
  // section 6).
  virtual void Appended(const AppendResult& result) { (void)result; }
  // The records are durable as configured and applied; the time to answer.
  virtual void Applied(const AppendResult& result) = 0;
  // Nothing was promised. `status` says why and what to do.
  virtual void Failed(const absl::Status& status) = 0;

 private:
  friend class AppendEncoding;  // store/log: the log thread's access to the encoded form

  std::string payload_;                              // encoded records
  absl::InlinedVector<uint32_t, 2> starts_;          // of each record in payload_
  absl::InlinedVector<QueueKey, 1> message_queues_;  // of each message
  size_t open_message_ = 0;                          // begun and not yet sealed
  uint32_t payload_crc_ = 0;                         // once submitted
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_APPEND_H_
