#ifndef MANSIO_STORE_RECOVERY_H_
#define MANSIO_STORE_RECOVERY_H_

#include "absl/status/statusor.h"
#include "store/checkpoint/key_value_store.h"
#include "store/derived_state.h"
#include "store/log/commit_log.h"
#include "store/options.h"
#include "store/types.h"

namespace mansio::store {

struct Recovered {
  RecoveryReport report;
  LogOffset checkpoint = 0;  // where the fold began
  bool rebuilt = false;      // no usable checkpoint: from the log alone
};

// Brings the derived state up to the log's end: from the checkpoint and what the log has behind it,
// or, when the checkpoint is missing, damaged or ahead of the log, from the log alone (design
// section 5). Errors: what the log itself refuses (damage before the synced point); DataLoss when
// the log's beginning is gone and it holds no complete snapshot.
//
// Where replication says what is committed, the fold ends at the checkpoint, or behind the first
// complete snapshot of a trimmed log: nothing was trimmed that was not committed.
absl::StatusOr<Recovered> RecoverState(CommitLog* log, KeyValueStore* checkpoint,
                                       DerivedState* state, const StoreOptions& options);

}  // namespace mansio::store

#endif  // MANSIO_STORE_RECOVERY_H_
