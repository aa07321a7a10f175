#ifndef MANSIO_BROKER_CONSUMPTION_RECORDS_H_
#define MANSIO_BROKER_CONSUMPTION_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/status/statusor.h"
#include "broker/message/stored_message.h"
#include "store/record.h"

// What consumption writes to the log. Compact, because every consumed message pays for it: ids
// instead of names, varints, offsets as differences.
namespace mansio::broker {

inline constexpr store::RecordKind kPositionRecord = 32;      // a group begins on a topic
inline constexpr store::RecordKind kLeaseRecord = 33;         // messages handed out
inline constexpr store::RecordKind kAckRecord = 34;           // leases ended by an ack
inline constexpr store::RecordKind kLeaseChangedRecord = 35;  // a new deadline and handle
inline constexpr store::RecordKind kLeaseEndedRecord = 36;    // leases ended without one
// Leases ended without an ack whose messages follow as copies in the same frame.
inline constexpr store::RecordKind kRetriedRecord = 37;        // in the group's retry queue
inline constexpr store::RecordKind kDeadLetterRecord = 38;     // in its dead-letter queue
inline constexpr store::RecordKind kPositionMovedRecord = 39;  // a group goes on elsewhere
inline constexpr store::RecordKind kMemberRecord = 40;         // a client of a broadcast group
inline constexpr store::RecordKind kMemberGoneRecord = 41;     // it is forgotten

// A message that the cursor of a FIFO group has passed, handed out or not.
struct OrderedMessage {
  store::QueueOffset offset = 0;
  MessageGroupHash group = 0;
};

// Offsets of one queue, rising.
struct QueueOffsets {
  uint32_t queue = 0;
  store::QueueOffset cursor = 0;  // lease records only: the cursor after it
  std::vector<store::QueueOffset> offsets;
  // Lease records of FIFO groups only: those between the old cursor and the new one.
  std::vector<OrderedMessage> passed = {};
};

// Where a group begins on each queue of a topic.
struct PositionRecord {
  uint32_t group = 0;
  uint32_t topic = 0;
  bool implied = false;  // nobody asked for it: a client keeps its own position on one queue
  std::vector<store::QueueOffset> cursors;
  bool fifo = false;  // the group's
  std::string Encode() const;
  static absl::StatusOr<PositionRecord> Decode(std::string_view body);
};

// A queue and the next message of it that a group is handed.
struct QueueCursor {
  uint32_t queue = 0;
  store::QueueOffset cursor = 0;
};

// A group goes on elsewhere in these queues. What it was handed out of them has ended with that:
// behind the record there is a cursor, and nothing else.
struct PositionMovedRecord {
  uint32_t group = 0;
  uint32_t topic = 0;
  std::vector<QueueCursor> queues;
  std::string Encode() const;
  static absl::StatusOr<PositionMovedRecord> Decode(std::string_view body);
};

// Messages handed out by one receive: a first delivery, or the next attempt of one that came back.
// What the filter passed over lies between the old cursor and the new one without being listed. A
// FIFO group passes messages that it cannot hand out yet, too, and lists all that it will.
struct LeaseRecord {
  uint32_t group = 0;
  uint32_t topic = 0;
  bool auto_renew = false;
  uint64_t owner = 0;       // gateway::ClientHash
  int64_t deadline_ms = 0;  // broker time
  std::vector<QueueOffsets> queues;
  uint64_t attempt_id = 0;  // FIFO groups: hash of the receive's attempt_id; 0 when it had none
  std::string Encode() const;
  static absl::StatusOr<LeaseRecord> Decode(std::string_view body);
};

// Leases that end: by acks, because they lapsed or their client is gone (kLeaseEndedRecord: the
// message waits in place), or with a move of the message.
struct LeasesEndRecord {
  uint32_t group = 0;
  uint32_t topic = 0;
  bool counted = true;  // kLeaseEndedRecord: whether the delivery counts as an attempt
  std::vector<QueueOffsets> queues;
  std::string Encode() const;
  static absl::StatusOr<LeasesEndRecord> Decode(std::string_view body);
};

// Leases of one group that end together, and their records: one for each topic, as what is retried
// stands in another.
using EndsByQueue = absl::btree_map<store::QueueKey, absl::btree_set<store::QueueOffset>>;
std::vector<LeasesEndRecord> EndRecords(uint32_t group, bool counted, const EndsByQueue& ends);

struct LeaseChangedRecord {
  uint32_t group = 0;
  uint32_t topic = 0;
  uint32_t queue = 0;
  store::QueueOffset offset = 0;
  int64_t deadline_ms = 0;
  uint32_t attempts = 0;  // deliveries of the message so far; 0: not known
  std::string Encode() const;
  static absl::StatusOr<LeaseChangedRecord> Decode(std::string_view body);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_RECORDS_H_
