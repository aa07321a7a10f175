#ifndef MANSIO_STORE_STORE_H_
#define MANSIO_STORE_STORE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/append.h"
#include "store/index/key_query.h"
#include "store/index/message_keys.h"
#include "store/options.h"
#include "store/record.h"
#include "store/state_machine.h"
#include "store/stats.h"
#include "store/types.h"

namespace mansio::store {

class KeyValueStore;
class ReplicatedLog;

// One entry of a ConsumeQueue: where a message stands and what is needed to filter it unread.
struct QueueEntry {
  LogOffset log_offset = 0;  // of the message record
  uint32_t size = 0;         // of the message record
  uint64_t tag_hash = 0;
};

// The entry of a message that was carried forward and stands alone, below its queue's minimum.
struct CarriedEntry {
  QueueOffset offset = 0;
  QueueEntry entry;
};

// What a queue holds: offsets [min, next) can be read, and what was carried forward below min.
struct QueueRange {
  QueueOffset min = 0;
  QueueOffset next = 0;
};

// A message that was found by where it stands in the log.
struct LocatedMessage {
  StoredMessage message;
  // The frame that it came with; nullopt when that has gone and the message was carried forward.
  std::optional<LogOffset> frame;
};

// The CommitLog and all that is derived from it for reading. Thread-safe unless said otherwise.
class Store {
 public:
  // What the store runs in; borrowed, must outlive it.
  struct Environment {
    FileSystem* files = nullptr;
    BrokerTime* time = nullptr;
    // Where checkpoints go; nullptr: RocksDB in the directory "checkpoint" below the store's path.
    KeyValueStore* checkpoint = nullptr;
    // Where to count; nullptr: nowhere.
    StoreStats* stats = nullptr;
    // What messages are found by; nullptr: there is no key index.
    const MessageKeys* keys = nullptr;
    // Of an elected master (StoreOptions::reign): whether nobody else can have been elected yet.
    // Asked on the log thread, for each batch once, when it has all else that it takes to be
    // committed; cheap. What it holds back waits for ReplicatedLog::AllowCommit. Null: it may.
    std::function<bool()> may_commit = nullptr;
    // Whether the opening is to be given up; asked now and then while the log is read. Null: never.
    std::function<bool()> give_up = nullptr;
  };

  // Locks the directory, recovers (checkpoint, then a bounded replay that feeds `machine`), begins
  // a new epoch and starts the threads. Errors name file and offset and say what to do: damage
  // before the synced point, a second broker on the directory, a full or read-only disk, an unknown
  // format version.
  static absl::StatusOr<std::unique_ptr<Store>> Open(StoreOptions options, Environment environment,
                                                     StateMachine* machine);
  virtual ~Store() = default;

  // Hands an append to the log thread. ResourceExhausted when accepted but uncommitted bytes would
  // pass the limit, Unavailable (with the reason) once the store has stopped accepting; then no
  // callback is made. InvalidArgument when it is larger than MaxAppendBytes.
  virtual absl::Status Submit(std::unique_ptr<Append> append) = 0;
  // The largest Append::size() of one message, with other records: a frame stands in one segment.
  // Each further message takes some 16 bytes more. Constant.
  virtual size_t MaxAppendBytes() const = 0;

  virtual Cursors cursors() const = 0;
  virtual Epoch epoch() const = 0;
  // OK, or why the store does not accept appends any more: Unavailable after a failed write or
  // flush, FailedPrecondition when nothing is wrong and it has only to be opened again
  // (ReplicatedLog), DeadlineExceeded while the disk does not answer, ResourceExhausted while it is
  // full: these may pass.
  virtual absl::Status Health() const = 0;

  // What it takes of its limits at the moment.
  virtual StoreUsage usage() const = 0;

  // Puts other values in the place of the options' retention_age and retention_bytes. What is too
  // old or too much by them is deleted soon, in the background. Any thread.
  virtual void SetRetention(absl::Duration age, uint64_t bytes) = 0;

  // Creates empty queues 0..count-1 of a topic (idempotent), or forgets a topic and its queues.
  // Called by the state machine from Apply and Restore, on the log thread.
  virtual void DefineTopic(uint32_t topic, uint32_t queues) = 0;
  virtual void DropTopic(uint32_t topic) = 0;

  // The readable range of a queue; {0, 0} for an unknown one.
  virtual QueueRange Range(QueueKey queue) const = 0;
  // The same as the log has it: what retention is about to take, so that nobody gets it any more,
  // counts until it is gone. For Apply, which must do the same whenever it runs, and for counting.
  virtual QueueRange StoredRange(QueueKey queue) const = 0;

  // Entries [from, from+max) as far as they exist, from memory only. nullopt when some of them are
  // not in memory: then use RunCold and ReadEntries. Below the queue's minimum: the carried ones
  // that stand at `from` and directly behind it; empty when retention has taken the message.
  virtual std::optional<std::vector<QueueEntry>> HotEntries(QueueKey queue, QueueOffset from,
                                                            size_t max) const = 0;
  // As HotEntries, and reads what is missing from disk. Blocks: only inside RunCold. OutOfRange
  // when retention has taken the message at `from`.
  virtual absl::StatusOr<std::vector<QueueEntry>> ReadEntries(QueueKey queue, QueueOffset from,
                                                              size_t max) = 0;

  // The carried entries from `from` on and below the queue's minimum, lowest first, at most `max`:
  // all that there is of a queue before its range, now and then with one that is live no more (it
  // goes with its next segment). Memory only.
  virtual std::vector<CarriedEntry> CarriedEntries(QueueKey queue, QueueOffset from,
                                                   size_t max) const = 0;
  // A message that may have been carried is live no more, for nobody (fired, resolved, purged; not
  // acked: another group may have it leased): its entry below the minimum goes at once, and its
  // bytes leave the budget, rather than with its next segment. Called by the state machine from
  // Apply, on the log thread; nothing happens when the message was not carried.
  virtual void ForgetCarried(QueueKey queue, QueueOffset offset) = 0;
  // Bytes that may still be carried within retention.carry-percent of retention.bytes; UINT64_MAX
  // without a limit by size.
  virtual uint64_t CarryBudgetLeft() const = 0;
  // OK while there is some. Else ResourceExhausted with a sentence, to refuse new messages that
  // would have to be carried: delayed and half messages. Carrying itself never stops.
  absl::Status CheckCarryBudget() const;

  // The message of an entry from the tail cache, or nullopt when it has left it.
  virtual std::optional<StoredMessage> HotMessage(QueueKey queue, QueueOffset offset,
                                                  const QueueEntry& entry) const = 0;
  // The same from disk, checked against its CRC; a message that was carried forward meanwhile is
  // found where it stands now. Blocks: only inside RunCold. DataLoss names the file and offset when
  // the bytes are damaged, NotFound when the segment has gone.
  virtual absl::StatusOr<StoredMessage> ReadMessage(QueueKey queue, QueueOffset offset,
                                                    const QueueEntry& entry) = 0;

  // Calls `visit` for the messages that may have a key, newest first, until it returns false or
  // enough files of the index were looked into: those
  // that were applied before the call, and some that came since; a message that was carried forward
  // may come twice, one that has gone can come too, and one of another key that shares some bits of
  // the hash. Blocks: only inside RunCold. FailedPrecondition when there is no key index.
  virtual absl::StatusOr<KeySearch> FindByKey(const KeyQuery& query,
                                              absl::FunctionRef<bool(const KeyMatch&)> visit) {
    static_cast<void>(query), static_cast<void>(visit);
    return absl::FailedPreconditionError(
        "the broker keeps no index of keys and ids: set store.key-index and start it again");
  }
  // The message whose record, or CARRY record, stands at `offset`. Blocks: only inside RunCold.
  // NotFound when its segment has gone, DataLoss when there is no message, or a damaged one.
  virtual absl::StatusOr<LocatedMessage> ReadMessageAt(LogOffset offset) {
    static_cast<void>(offset);
    return absl::NotFoundError("there is no log to read from");
  }
  // Calls `visit` for the applied records of the frames from `from` on, which is where a frame
  // begins: about `max_bytes` of them. Returns where to go on; `from` when there are no more.
  // Blocks: only inside RunCold. NotFound when retention has removed them, DataLoss names the place
  // that is damaged.
  virtual absl::StatusOr<LogOffset> ReadLog(LogOffset from, size_t max_bytes,
                                            absl::FunctionRef<void(const RecordView&)> visit) {
    static_cast<void>(max_bytes), static_cast<void>(visit);
    return from;
  }

  // Where the first file of the log behind `from` begins, with a frame; the end of what is applied
  // when there is none. To go on behind what is damaged. Any thread.
  virtual LogOffset NextLogFile(LogOffset from) const { return from; }

  // Runs `job` on the cold pool. False when its queue is full (answer TOO_MANY_REQUESTS).
  virtual bool RunCold(absl::AnyInvocable<void()> job) = 0;

  // The first store time of a queue, for the start rule of design section 6; nullopt for an empty
  // queue. From memory when the first message is recent; never blocks (an old first message gives
  // 0).
  virtual std::optional<StoreTime> FirstStoreTime(QueueKey queue) const = 0;
  // True when nothing of the queue was ever trimmed.
  virtual bool NeverTrimmed(QueueKey queue) const = 0;

  // Takes a checkpoint now and waits until it is durable; tests and orderly shutdown.
  virtual absl::Status Checkpoint() = 0;
  // Deletes what retention no longer keeps, after carrying forward what is live; run by the store
  // itself once a minute and, with a limit by size, when a segment is full. Public for tests.
  virtual absl::Status EnforceRetention() = 0;

  // The log for replication; nullptr where there is none (tests).
  virtual ReplicatedLog* replicated_log() { return nullptr; }

  // Finishes what was accepted, checkpoints, syncs, releases the lock. Later Submits are
  // Unavailable. Idempotent.
  virtual absl::Status Close() = 0;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_STORE_H_
