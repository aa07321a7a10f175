#ifndef MANSIO_BROKER_METADATA_RECORDS_H_
#define MANSIO_BROKER_METADATA_RECORDS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "common/backoff/backoff.h"
#include "store/record.h"

// Topics and groups as log records. Both have a numeric id that is never reused, so that queues,
// leases and handles name them in a few bytes and a topic created again under an old name is a new
// topic.
namespace mansio::broker {

inline constexpr store::RecordKind kTopicRecord = 16;  // created or changed
inline constexpr store::RecordKind kTopicDeletedRecord = 17;
inline constexpr store::RecordKind kGroupRecord = 18;
inline constexpr store::RecordKind kGroupDeletedRecord = 19;
inline constexpr store::RecordKind kHandleKeyRecord = 20;    // the key of receipt handles' MAC
inline constexpr store::RecordKind kGroupPausedRecord = 24;  // paused or resumed

enum class MessageType : uint8_t {  // values of v2.MessageType, but for the last
  kNormal = 1,
  kFifo = 2,
  kDelay = 3,
  kTransaction = 4,
  kLite = 5,
  kPriority = 6,
  kMixed = 64,  // of topics only: NORMAL, FIFO, DELAY and TRANSACTION messages
};

// "NORMAL", "MIXED".
std::string_view NameOf(MessageType type);
// Whether a topic of type `topic` takes messages of type `message` (RocketMQ 5 API).
bool Takes(MessageType topic, MessageType message);

// Whose a topic is. Clients create and send to their own only.
enum class TopicKind : uint8_t {
  kUser = 0,
  kRetry = 1,       // %RETRY%<group>: what a group has to deliver again
  kDeadLetter = 2,  // %DLQ%<group>: what it has given up
  kSystem = 3,      // what waits inside the broker; no client can name it
};

// Whether clients can read from such a topic. What is retried comes with the topic it came from.
inline bool IsReadable(TopicKind kind) {
  return kind == TopicKind::kUser || kind == TopicKind::kDeadLetter;
}

// When producers are asked about transactions that nobody has ended. 0: as configured.
struct CheckBackPolicy {
  int64_t first_check_ms = 0;
  int64_t interval_ms = 0;
  uint32_t max_checks = 0;
  friend bool operator==(const CheckBackPolicy&, const CheckBackPolicy&) = default;
};

// What becomes of messages that were not consumed in time.
struct ExpiryPolicy {
  int64_t ttl_ms = 0;  // since a message was stored in its topic; 0: as long as it says itself
  bool dead_letter = false;  // into the dead letters of each group; else it is skipped
  friend bool operator==(const ExpiryPolicy&, const ExpiryPolicy&) = default;
};

// What happens when a group has as many messages of a topic before it as it may.
enum class Overflow : uint8_t {
  kRefuse = 0,      // sends are refused
  kDropOldest = 1,  // the group goes on behind its oldest ones
  kDeadLetter = 2,  // those are moved to its dead letters
};

// How many messages a topic keeps for its slowest group.
struct BacklogPolicy {
  uint64_t max = 0;  // 0: no limit
  Overflow overflow = Overflow::kRefuse;
  friend bool operator==(const BacklogPolicy&, const BacklogPolicy&) = default;
};

struct TopicRecord {
  uint32_t id = 0;
  std::string name;
  MessageType type = MessageType::kNormal;
  uint32_t queues = 0;
  int64_t created_ms = 0;
  TopicKind kind = TopicKind::kUser;
  uint32_t group = 0;             // kRetry, kDeadLetter: whose; they go with it
  std::vector<uint32_t> origins;  // kRetry: queue i holds what came from the topic origins[i]
  CheckBackPolicy check_back;     // where TRANSACTION messages are taken
  ExpiryPolicy expiry;
  bool priority_guard = false;  // PRIORITY topics: low priorities cannot starve
  BacklogPolicy backlog;
  bool draining = false;  // nothing is sent to it here any more; it is consumed to its end
  bool added = false;     // this broker was added to it: older groups consume all that is here
  // The brokers that its message groups are divided between (common/gateway/group_owner.h); empty:
  // each one takes what is sent to it.
  std::vector<std::string> brokers;

  std::string Encode() const;
  static absl::StatusOr<TopicRecord> Decode(std::string_view body);
};

// Where a new group begins on a topic (design section 6).
enum class StartPolicy : uint8_t {
  kDefault = 0,  // the end; 0 where the queue was never trimmed and its first message is recent
  kEarliest = 1,
  kLatest = 2,
};

struct GroupRecord {
  uint32_t id = 0;
  std::string name;
  bool fifo = false;
  uint32_t max_attempts = 17;  // deliveries, the first included
  Backoff backoff = Backoff::Default();
  StartPolicy start = StartPolicy::kDefault;
  int64_t created_ms = 0;
  bool broadcast = false;  // each client has a position of its own
  bool paused = false;     // nothing is handed out

  std::string Encode() const;
  static absl::StatusOr<GroupRecord> Decode(std::string_view body);
};

// The body of kGroupPausedRecord.
struct GroupPausedRecord {
  uint32_t id = 0;
  bool paused = false;
  std::string Encode() const;
  static absl::StatusOr<GroupPausedRecord> Decode(std::string_view body);
};

// The body of kHandleKeyRecord.
std::string EncodeHandleKey(const std::array<uint64_t, 2>& key);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_RECORDS_H_
