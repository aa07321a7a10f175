#ifndef MANSIO_TESTS_STORE_CRASH_EXPLORER_H_
#define MANSIO_TESTS_STORE_CRASH_EXPLORER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "common/files/recording_file_system.h"
#include "store/options.h"

namespace mansio::store {

// What is run, and what its survivors are held against.
struct Scenario {
  Durability durability = Durability::kSync;
  RecordingFileSystem::CrashMode mode = RecordingFileSystem::CrashMode::kDropAll;
  // What the check believes: a build that answers before it flushes claims `sync` all the same.
  Durability claimed = Durability::kSync;
  bool ignore_syncs = false;            // broken: fdatasync does nothing
  bool carries_nothing = false;         // broken: live messages go with their segments
  bool checkpoint_before_sync = false;  // broken: the checkpoint does not wait for the log
};

struct Findings {
  size_t points = 0;                  // crash points looked at
  size_t recovery_crashes = 0;        // of them, with another crash during the recovery
  size_t lost_checkpoints = 0;        // of them, with the checkpoint deleted as well
  size_t replays = 0;                 // recoveries that began at a checkpoint
  size_t rebuilds = 0;                // and from the log alone
  size_t trimmed = 0;                 // images whose log began after zero
  size_t carried = 0;                 // live messages read below their queue's minimum
  std::vector<std::string> problems;  // promises broken, in words
};

// Runs workloads (sends to several queues, segments of 64 KiB, checkpoints, retention) with seeds
// from `seed` on, cuts the power at random points of each, and checks every survivor, until
// `points` have been checked. Ends early once `enough_problems` were found.
Findings Explore(const Scenario& scenario, uint64_t seed, size_t points,
                 size_t enough_problems = 10);

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_EXPLORER_H_
