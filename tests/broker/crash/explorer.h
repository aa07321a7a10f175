#ifndef MANSIO_TESTS_BROKER_CRASH_EXPLORER_H_
#define MANSIO_TESTS_BROKER_CRASH_EXPLORER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/files/recording_file_system.h"
#include "store/options.h"
#include "tests/broker/crash/broken.h"

namespace mansio::broker {

// What is run, and what its survivors are held against.
struct CrashScenario {
  store::Durability durability = store::Durability::kSync;
  RecordingFileSystem::CrashMode mode = RecordingFileSystem::CrashMode::kDropAll;
  // What the check believes: a build that answers before it flushes claims `sync` all the same.
  store::Durability claimed = store::Durability::kSync;
  bool ignore_syncs = false;            // broken: fdatasync does nothing
  bool checkpoint_before_sync = false;  // broken: the checkpoint does not wait for the log
  Breakage breakage = {};
};

struct CrashFindings {
  size_t points = 0;                  // crash points looked at
  size_t recovery_crashes = 0;        // of them, with another crash during the recovery
  size_t lost_checkpoints = 0;        // of them, with the checkpoint deleted as well
  size_t trimmed = 0;                 // images whose log began after zero
  size_t pending_transactions = 0;    // that survivors found undecided, and decided
  size_t ended_transactions = 0;      // whose end had been acknowledged
  size_t pending_timers = 0;          // that survivors delivered
  size_t recalled_timers = 0;         // whose recall had been acknowledged
  size_t acked = 0;                   // messages whose acknowledgement had been
  size_t open_leases = 0;             // messages that were handed out, and came again
  std::vector<std::string> problems;  // promises broken, in words
};

// Runs loads of halves, ends, check-backs, delayed messages, recalls, receives, acks and positions
// on the broker's features with seeds from `seed` on, cuts the power at random points of each, and
// checks every survivor, until `points` have been checked. Ends early once `enough_problems` were
// found.
CrashFindings ExploreBroker(const CrashScenario& scenario, uint64_t seed, size_t points,
                            size_t enough_problems = 10);

}  // namespace mansio::broker

#endif  // MANSIO_TESTS_BROKER_CRASH_EXPLORER_H_
