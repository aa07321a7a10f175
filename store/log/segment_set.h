#ifndef MANSIO_STORE_LOG_SEGMENT_SET_H_
#define MANSIO_STORE_LOG_SEGMENT_SET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"
#include "common/sync/sync.h"
#include "store/log/segment.h"
#include "store/types.h"

namespace mansio::store {

// The segments on disk, in order and without gaps: the last ones may be made ready ahead and hold
// nothing yet. Thread-safe; no lock is held during input or output, except by DropBelow's own.
class SegmentSet {
 public:
  // Finds the segments in `directory`, which is created if missing, and removes leftovers. DataLoss
  // with a sentence when a segment is missing or has a wrong length; with `salvage` the log ends
  // there, and what lies behind a gap is moved aside.
  static absl::StatusOr<std::unique_ptr<SegmentSet>> Open(FileSystem* files, std::string directory,
                                                          bool salvage);

  const std::string& directory() const { return directory_; }
  FileSystem& files() const { return *files_; }

  bool empty() const;
  LogOffset First() const;  // 0 when empty
  LogOffset End() const;    // of the last file; 0 when empty
  // The segment that contains `offset`, nullptr when there is none.
  std::shared_ptr<const Segment> Find(LogOffset offset) const;
  std::vector<std::shared_ptr<const Segment>> All() const;

  // Reads up to `size` bytes at `offset`, fewer only at the end of the segment. NotFound when the
  // segment has gone, also when it went during the read.
  absl::StatusOr<size_t> Read(LogOffset offset, char* out, size_t size) const;
  // The first offset >= `offset` in its segment where the file has data; what is skipped reads as
  // zeros.
  LogOffset NextData(LogOffset offset) const;
  // The first offset >= `offset` in its segment where the file has none, or the segment's end.
  LogOffset NextHole(LogOffset offset) const;
  // For the file of the segment that contains `offset`: see File::SetReadAhead. Without, what was
  // read ahead from `offset` on is forgotten, too.
  void SetReadAhead(LogOffset offset, bool on) const;

  // Adds a segment that begins at End().
  void Add(Segment segment);
  // Removes the whole segments below `offset`, oldest first, each durably before the next, so that
  // a gap always means damage. The newest removed one of length `reusable_bytes` is kept for
  // TakeRetired when there is none yet; 0 keeps none.
  absl::Status DropBelow(LogOffset offset, uint64_t reusable_bytes);
  // The path and length of a retired file to make a segment of, at most once each.
  struct Retired {
    std::string path;
    uint64_t bytes = 0;
  };
  std::optional<Retired> TakeRetired();
  // Removes the last segment, which holds nothing. Before the log runs.
  absl::Status RemoveLast();
  // Gives the last segment, whose file had been cut short, its full length again; the new part is
  // zero. Before the log runs.
  absl::Status ExtendLast(uint64_t bytes);
  // Renames the last segment to a name that recovery ignores, "*.salvaged". Before the log
  // runs.
  absl::Status MoveLastAside();
  // A path for bytes that a salvage takes out of the log at `offset`; no file has that name.
  absl::StatusOr<std::string> SalvagePath(LogOffset offset) const;

 private:
  SegmentSet(FileSystem* files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  absl::Status Load(bool salvage);
  absl::Status MoveAside(LogOffset first, const std::string& path) const;
  absl::StatusOr<std::shared_ptr<File>> Reader(const Segment& segment) const;
  void Forget(LogOffset first) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  FileSystem* const files_;
  const std::string directory_;
  Mutex dropping_;  // one DropBelow at a time
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<const Segment>> segments_ ABSL_GUARDED_BY(mutex_);
  // Files open for reading, most recently used last: descriptors must not grow with the log.
  mutable std::vector<std::pair<LogOffset, std::shared_ptr<File>>> readers_ ABSL_GUARDED_BY(mutex_);
  std::optional<Retired> retired_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::store

#endif  // MANSIO_STORE_LOG_SEGMENT_SET_H_
