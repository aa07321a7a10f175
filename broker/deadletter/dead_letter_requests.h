#ifndef MANSIO_BROKER_DEADLETTER_DEAD_LETTER_REQUESTS_H_
#define MANSIO_BROKER_DEADLETTER_DEAD_LETTER_REQUESTS_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/deadletter/dead_letter_moves.h"
#include "broker/deadletter/dead_letter_reader.h"
#include "broker/deadletter/dead_letter_state.h"
#include "broker/metadata/metadata.h"
#include "broker/send/validation.h"
#include "mansio/v1/admin.pb.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Letters of one page, or of one import.
inline constexpr size_t kMaxPageLetters = 256;

// What the administration of dead letters works on. All borrowed.
struct DeadLetterContext {
  std::string broker_name;
  SendLimits limits;  // of what is imported
  Metadata* metadata = nullptr;
  DeadLetterState* state = nullptr;
  DeadLetterMoves* moves = nullptr;
  BrokerTime* time = nullptr;
};

// The group of a call and its dead-letter topic, which is null when it has none yet.
struct GroupLetters {
  GroupPtr group;
  TopicPtr topic;
};

// What is asked for of dead letters, checked; errors are wire statuses. Thread-safe.
class DeadLetterRequests {
 public:
  explicit DeadLetterRequests(const DeadLetterContext* context) : context_(context) {}

  // The errors of Metadata::GroupMissing.
  absl::StatusOr<GroupLetters> Find(const std::string& group) const;
  // NOT_FOUND for a call that is meant for another broker.
  absl::Status CheckBroker(const std::string& broker) const;
  absl::StatusOr<DeadLetterStretch> StretchOf(const v1::DeadLetterPage& page,
                                              const GroupLetters& letters) const;
  absl::StatusOr<DeadLetterMove> ResendOf(const v1::ResendDeadLettersRequest& request) const;
  absl::StatusOr<DeadLetterMove> PurgeOf(const v1::PurgeDeadLettersRequest& request) const;

 private:
  // What both have in common.
  absl::StatusOr<DeadLetterMove> MoveOf(const std::string& group,
                                        const v1::DeadLetterSelection& selection,
                                        const v1::DeadLetterPage& page) const;
  absl::Status SetTarget(const v1::ResendDeadLettersRequest& request, DeadLetterMove& move) const;

  const DeadLetterContext* const context_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_DEAD_LETTER_REQUESTS_H_
