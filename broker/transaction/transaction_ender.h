#ifndef MANSIO_BROKER_TRANSACTION_TRANSACTION_ENDER_H_
#define MANSIO_BROKER_TRANSACTION_TRANSACTION_ENDER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "broker/message/stored_message.h"
#include "broker/metadata/metadata.h"
#include "broker/move/append_budget.h"
#include "broker/move/mover.h"
#include "broker/transaction/transaction_state.h"

namespace mansio {
class BrokerTime;
}

namespace mansio::broker {

// Whether a message that could not be gathered or decoded never can be.
bool IsLost(const absl::Status& status);

// Ends transactions, whoever decides it: a client, an administrator, or the broker after the last
// check. Claims the half, gathers its bytes where they are needed, and logs one frame: the end,
// with the copy of the message in its topic (commit) or in kExpiredTopic (expiry). Thread-safe.
class TransactionEnder {
 public:
  using Done = TransactionState::Done;
  // All borrowed.
  struct Environment {
    TransactionState* state = nullptr;
    Metadata* metadata = nullptr;
    Mover* mover = nullptr;
    AppendBudget* budget = nullptr;  // charged for expiries, which no client waits for
    BrokerTime* time = nullptr;
  };
  explicit TransactionEnder(Environment environment) : environment_(environment) {}

  // Ends a half; one that is to expire and whose message is lost is rolled back. `done` runs once:
  // OK when it has ended that way, now or before (expiry counts as rollback);
  // INVALID_TRANSACTION_ID with a sentence when it ended the other way or is not known; or why it
  // could not be logged (wire statuses). It runs on the log thread, or before End returns. The
  // caller holds no lock that it takes.
  void End(HalfKey key, TransactionOutcome outcome, Done done);

  // The queue of kHalfTopic; nullopt while that does not exist.
  std::optional<store::QueueKey> HalfQueue() const;

 private:
  class EndAppend;
  using Message = absl::StatusOr<store::StoredMessage>;

  void LogRollback(store::QueueOffset half);
  void GatherAndLog(store::QueueOffset half, const Half& entry, TransactionOutcome outcome);
  void LogCommit(store::QueueOffset half, uint32_t topic, const StoredContent& content);
  void LogExpiry(store::QueueOffset half, const Half& entry, const StoredContent& content);
  void Submit(store::QueueOffset half, std::unique_ptr<EndAppend> append);

  const Environment environment_;
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_TRANSACTION_ENDER_H_
