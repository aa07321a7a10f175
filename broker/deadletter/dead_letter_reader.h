#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_READER_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_READER_H_

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/filter/message_filter.h"
#include "broker/message/provenance.h"
#include "broker/message/stored_message.h"
#include "common/names/string_map.h"
#include "mansio/v1/admin.pb.h"
#include "store/store.h"

namespace mansio::broker {

// User properties that a dead letter gets when it is resent, so that it says what happened to it
// wherever it goes: whose dead letter it was, since when and why, where the message stood, how
// often it was delivered, and how often it was resent until now.
inline constexpr std::string_view kDlqGroupProperty = "mansio-dlq-group";
inline constexpr std::string_view kDlqTimeProperty = "mansio-dlq-time";  // RFC 3339, UTC
inline constexpr std::string_view kDlqReasonProperty = "mansio-dlq-reason";
inline constexpr std::string_view kDlqOriginProperty = "mansio-dlq-origin";  // topic/queue/offset
inline constexpr std::string_view kDlqAttemptsProperty = "mansio-dlq-attempts";
inline constexpr std::string_view kDlqResendsProperty = "mansio-dlq-resends";

// A dead letter that was read; the views point into `message`.
struct DeadLetterMessage {
  store::QueueOffset offset = 0;
  store::StoredMessage message;
  StoredContent content;
  Provenance provenance;

  // Broker time at which it was given up.
  int64_t dead_ms() const {
    return provenance.dead_ms > 0 ? provenance.dead_ms : message.view.store_time;
  }
  // How often it was resent.
  uint32_t resends() const;
};

// Which dead letters are meant (mansio.v1.DeadLetterSelection).
class DeadLetterSelection {
 public:
  // BAD_REQUEST or ILLEGAL_FILTER_EXPRESSION (wire statuses).
  static absl::StatusOr<DeadLetterSelection> From(const v1::DeadLetterSelection& wire);

  bool Matches(const DeadLetterMessage& letter) const;

 private:
  StringSet ids_;     // empty: any
  FilterPtr filter_;  // null: any
  int64_t from_ms_ = 0;
  int64_t until_ms_ = INT64_MAX;
};

// A stretch of a dead-letter queue, oldest first, and what came of it.
struct DeadLetterStretch {
  store::QueueOffset from = 0;
  store::QueueOffset until = 0;
  size_t limit = 0;  // of those that match
  // What those that match and kCopyOverhead for each take together, but for a single one.
  size_t max_bytes = std::numeric_limits<size_t>::max();
  static constexpr size_t kCopyOverhead = 1024;
};
struct DeadLetterPageRead {
  std::vector<DeadLetterMessage> letters;
  store::QueueOffset next = 0;
  bool done = false;
  size_t examined = 0;
};

// How far a look back through dead letters has come.
struct DeadLetterCursor {
  uint64_t left = 0;  // to be read at most; 0 at the end
  store::QueueOffset before = std::numeric_limits<store::QueueOffset>::max();
};

// Reads dead letters of one %DLQ% topic, in whose queue some may have been removed and others,
// carried forward, may stand below the queue's minimum. Blocks: only inside Store::RunCold.
class DeadLetterReader {
 public:
  // What one ReadPage or WalkBack looks at, so that it takes some milliseconds.
  static constexpr size_t kMaxExamined = 4096;
  static constexpr size_t kMaxPassed = 16 * kMaxExamined;  // removed ones
  static constexpr size_t kMaxBytes = 4u << 20;            // and one message

  // `state` is borrowed.
  DeadLetterReader(const DeadLetterState* state, uint32_t topic)
      : state_(state), store_(*state->store()), queue_{topic, 0} {}

  // Tells of the next dead letters, newest first, until `enough` returns true, all were told, or
  // cursor.left were read, which ends the look back; or as far as the bounds allow. One whose bytes
  // cannot be read is passed over: the others are worth seeing.
  absl::Status WalkBack(DeadLetterCursor& cursor,
                        absl::FunctionRef<bool(const DeadLetterMessage&)> enough);
  // Those of a stretch that match, oldest first, as far as the bounds allow.
  absl::StatusOr<DeadLetterPageRead> ReadPage(const DeadLetterStretch& stretch,
                                              const DeadLetterSelection& selection);
  // The oldest one; NotFound when there is none. Gives up, with NotFound, behind kMaxPassed removed
  // ones.
  absl::StatusOr<DeadLetterMessage> Oldest();

 private:
  absl::StatusOr<DeadLetterMessage> Read(store::QueueOffset offset, const store::QueueEntry& entry);
  // Entries from `from` on, below `until`, carried ones included; empty: there are no more.
  absl::StatusOr<std::vector<store::CarriedEntry>> EntriesFrom(store::QueueOffset from,
                                                               store::QueueOffset until);
  bool Gone(store::QueueOffset offset) const { return state_->IsGone(queue_.topic, offset); }
  // What WalkBack comes to; false: go no further.
  using Tell = absl::FunctionRef<bool(store::QueueOffset, const store::QueueEntry&)>;
  // False when `tell` was. What retention has overtaken is left to WalkBackCarried.
  absl::StatusOr<bool> WalkBackStored(store::QueueOffset before, Tell tell);
  bool WalkBackCarried(store::QueueOffset before, Tell tell);

  const DeadLetterState* const state_;
  store::Store& store_;
  const store::QueueKey queue_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_READER_H_
