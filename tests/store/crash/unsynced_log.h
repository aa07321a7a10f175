#ifndef MANSIO_TESTS_STORE_CRASH_UNSYNCED_LOG_H_
#define MANSIO_TESTS_STORE_CRASH_UNSYNCED_LOG_H_

#include "tests/store/crash/forwarding_log.h"

namespace mansio::store {

// A log whose SyncAll claims success and does nothing: the build whose checkpoints run ahead of the
// synced log.
class UnsyncedLog : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  absl::Status SyncAll() override { return absl::OkStatus(); }
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_UNSYNCED_LOG_H_
