#include "store/store.h"

#include <fmt/format.h>

namespace mansio::store {

absl::Status Store::CheckCarryBudget() const {
  if (CarryBudgetLeft() > 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "messages that wait (for their time, for the end of their transaction, as dead letters) fill "
      "their share of the log: no more delayed or transactional ones are taken until some are "
      "done. Look for dead letters and unresolved transactions, or raise retention.bytes or "
      "retention.carry-percent");
}

absl::StatusOr<KeySearch> Store::FindByKey(const KeyQuery&,
                                           absl::FunctionRef<bool(const KeyMatch&)>) {
  return absl::FailedPreconditionError(
      "the broker keeps no index of keys and ids: set store.key-index and start it again");
}

absl::StatusOr<LocatedMessage> Store::ReadMessageAt(LogOffset offset) {
  return absl::NotFoundError(fmt::format("there is no log, and nothing at offset {}", offset));
}

absl::StatusOr<LogOffset> Store::ReadLog(LogOffset from, size_t,
                                         absl::FunctionRef<void(const RecordView&)>) {
  return from;
}

}  // namespace mansio::store
