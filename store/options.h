#ifndef MANSIO_STORE_OPTIONS_H_
#define MANSIO_STORE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace mansio {
class BrokerTime;
class Clock;
class FileSystem;
}  // namespace mansio

namespace mansio::store {

enum class Durability {
  kAsync,  // page cache; flushed every flush_interval
  kSync,   // fdatasync before the answer
  // The same two, and a master answers when all of the in-sync set hold it, or have synced it.
  kReplica,
  kReplicaSync,
};
// Whether what is appended is synced at once, and not every flush_interval.
constexpr bool SyncsEachBatch(Durability durability) {
  return durability == Durability::kSync || durability == Durability::kReplicaSync;
}
// Whether a master answers when all of the in-sync set have it, and not when its own disk has.
constexpr bool WaitsForInSyncSet(Durability durability) {
  return durability == Durability::kReplica || durability == Durability::kReplicaSync;
}

enum class Role {
  kMaster,
  kSlave,  // its log grows by its master's frames alone
};

struct StoreOptions {
  std::string path;
  Role role = Role::kMaster;
  // The greatest epoch that anybody in the broker group is known to have begun: a master's is
  // greater.
  uint64_t known_epoch = 0;
  // The epoch that a master begins, exactly: it was elected with it, and commits only what
  // Store::Environment::may_commit allows. 0: the log chooses one, and it asks nobody.
  uint64_t reign = 0;
  Durability durability = Durability::kSync;
  absl::Duration flush_interval = absl::Milliseconds(500);  // async and replica
  // A write or a flush of the log thread that takes longer counts as a disk that does not answer.
  absl::Duration disk_patience = absl::Seconds(10);
  uint64_t segment_bytes = uint64_t{1} << 30;
  uint64_t tail_cache_bytes = 128ull << 20;
  uint64_t max_uncommitted_bytes = 256ull << 20;
  uint64_t checkpoint_bytes = 128ull << 20;  // a checkpoint is due after this much log
  // ConsumeQueue entries kept in memory, all queues together.
  uint64_t queue_memory_bytes = 64ull << 20;
  absl::Duration retention_age = absl::Hours(72);
  uint64_t retention_bytes = 0;  // total log size; 0: no limit by size
  // Of retention_bytes, how much may be messages carried forward before new delayed and half
  // messages are refused.
  int carry_percent = 20;
  int cold_threads = 2;
  size_t cold_queue = 4096;  // waiting cold reads; more are refused
  bool key_index = true;     // where the environment says what messages are found by
  uint64_t key_index_piece_bytes = 64ull << 20;  // of log that one of its files is about
  bool salvage = false;                          // cut at damage instead of refusing to start

  // What is committed depends on other brokers (design section 9), not on the disk alone: on what
  // they hold, or on whether they may have elected another master.
  bool WaitsForCommit() const { return WaitsForMembers() || reign != 0; }
  // The first of the two.
  bool WaitsForMembers() const { return role == Role::kSlave || WaitsForInSyncSet(durability); }
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_OPTIONS_H_
