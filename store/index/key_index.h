#ifndef MANSIO_STORE_INDEX_KEY_INDEX_H_
#define MANSIO_STORE_INDEX_KEY_INDEX_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "common/files/file_system.h"
#include "common/sync/sync.h"
#include "store/index/index_format.h"
#include "store/index/index_piece.h"
#include "store/index/key_query.h"
#include "store/index/message_keys.h"
#include "store/log/commit_log.h"

namespace mansio::store {

// Messages by key and by id (design section 5): one file for each stretch of the log, which never
// changes and goes when retention has removed the stretch, and the entries of the newest stretch in
// memory.
//
// A thread of its own reads the log behind the sends, mostly from the tail cache. Nothing here is
// ever the truth: a file stands for log that is synced and applied, carries the epoch of its last
// frame, and is thrown away and made again from the log when it does not fit that or any byte of it
// is wrong. Thread-safe.
class KeyIndex {
 public:
  struct Options {
    std::string directory;
    uint64_t piece_bytes = 64ull << 20;  // of log that a file is about
    size_t piece_entries = 1 << 19;      // at most about that many, which bounds the memory
  };
  // All borrowed.
  KeyIndex(Options options, FileSystem* files, CommitLog* log, const MessageKeys* keys);
  ~KeyIndex();

  // Looks at the files that there are. After the log was started; `recovered` is what it was
  // before. Errors: of the directory.
  absl::Status Open(const LogHistory& recovered);
  // The thread. Stop is idempotent; what is in memory is read from the log again by the next start.
  void Start();
  void Stop();

  // The log is applied up to here: wakes the thread now and then. On the log thread, which it never
  // holds up.
  void Applied(LogOffset applied);
  // The log begins here now.
  void DropBelow(LogOffset offset);

  // See Store::FindByKey. Blocks.
  absl::StatusOr<KeySearch> Find(const KeyQuery& query,
                                 absl::FunctionRef<bool(const KeyMatch&)> visit);

  // Indexes all that is applied by now, gaps included; for tests.
  absl::Status CatchUp();

  // Of all files; and what of the log is in none and not in memory. Any thread.
  uint64_t FileBytes() const;
  uint64_t MissingBytes() const;

 private:
  using HeaderPtr = std::shared_ptr<const IndexHeader>;
  struct Span {
    LogOffset begin = 0;
    LogOffset end = 0;
  };

  std::string PathOf(LogOffset begin) const;
  absl::StatusOr<IndexHeader> ReadHeader(const std::string& path) const;
  // Of the files on disk, those that fit the log, by their begin; the others are removed.
  absl::StatusOr<std::map<LogOffset, HeaderPtr>> FilesThatFit(const LogHistory& recovered) const;
  void Remove(LogOffset begin) const;

  void Loop();
  // True when the thread is to end.
  bool SleepUntil(absl::Time time) ABSL_LOCKS_EXCLUDED(mutex_);
  // For a query of what stands before `before`: as Advance, without waiting long for others who do.
  void AdvanceForQuery(LogOffset before);
  // Goes on with the newest stretch up to what is applied, or with at most `max_bytes` of it.
  absl::Status Advance(uint64_t max_bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(building_);
  // Whether log that could not be read from `from` on is to be passed over: it is damaged or gone,
  // or has failed often enough.
  bool IsLost(const absl::Status& status, LogOffset from) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes one file of the newest gap; false when there is none.
  absl::StatusOr<bool> FillGap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(filling_);
  bool Full(const IndexPiece& piece) const;
  // How much of the log to add to it at once; at least one byte.
  uint64_t ChunkOf(const IndexPiece& piece) const;
  absl::Status Save(IndexPiece& piece) ABSL_LOCKS_EXCLUDED(mutex_);
  // The newest stretch, without its entries, and entries that follow.
  IndexPiece NextOfOpen() const;
  void AddToOpen(IndexPiece chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(building_);
  // Begins a new one behind it, or, when the log `ends_here` for this segment, behind that.
  absl::Status SaveOpenIfFull(bool ends_here) ABSL_EXCLUSIVE_LOCKS_REQUIRED(building_);
  // What is missing, cut at the ends of segments, so that every part begins at a frame.
  void AddGap(Span gap) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // In the order of the log.
  std::vector<KeyMatch> MatchesInMemory(const KeyQuery& query) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::vector<KeyMatch>> MatchesInFile(const IndexHeader& header,
                                                      const KeyQuery& query) const;
  // A file that is damaged or gone is made again.
  void Discard(const IndexHeader& header, const absl::Status& why);

  const Options options_;
  FileSystem* const files_;
  CommitLog* const log_;
  const MessageKeys* const keys_;

  Mutex building_ ABSL_ACQUIRED_BEFORE(mutex_);  // held by whoever reads the newest stretch
  Mutex filling_ ABSL_ACQUIRED_BEFORE(mutex_);   // held by whoever fills a gap
  mutable Mutex mutex_;
  CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<bool> halted_{false};  // the same, without the lock
  std::map<LogOffset, HeaderPtr> pieces_ ABSL_GUARDED_BY(mutex_);
  std::vector<Span> gaps_ ABSL_GUARDED_BY(mutex_);  // newest last
  // The newest stretch. Changed with both locks held.
  IndexPiece open_ ABSL_GUARDED_BY(mutex_){0};

  LogOffset failed_from_ ABSL_GUARDED_BY(mutex_) = 0;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;  // in a row, from there

  std::atomic<LogOffset> wake_at_{0};
  std::thread thread_;
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_INDEX_KEY_INDEX_H_
