#include "store/store.h"

namespace mansio::store {

absl::Status Store::CheckCarryBudget() const {
  if (CarryBudgetLeft() > 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "messages that wait (for their time, for the end of their transaction, as dead letters) fill "
      "their share of the log: no more delayed or transactional ones are taken until some are "
      "done. Look for dead letters and unresolved transactions, or raise retention.bytes or "
      "retention.carry-percent");
}

}  // namespace mansio::store
