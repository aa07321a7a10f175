#ifndef MANSIO_COMMON_FILES_FILE_SYSTEM_H_
#define MANSIO_COMMON_FILES_FILE_SYSTEM_H_

// Files behind an interface, so that the same store runs on a disk and on a recording file system
// that replays the losses of a power cut (recording_file_system.h).
//
// What survives a power cut:
//  - bytes, size and allocation of a file: what a successful Datasync or Sync of it has covered;
//  - its name: what a successful SyncDirectory of its directory has covered.
//
// Every error names the operation, the path and the operating system's text, and says what to do
// where that is known. Codes: NotFound, AlreadyExists, PermissionDenied (also a read-only file
// system), ResourceExhausted (disk full, too many open files), FailedPrecondition (not empty, lock
// held), Internal (input/output error and the rest).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace mansio {

// An open file; the destructor closes it. Thread safe; overlapping concurrent writes end in an
// unspecified mixture.
class File {
 public:
  virtual ~File() = default;

  // Reads up to `size` bytes at byte `offset` into `out` and returns how many: fewer only when the
  // file ends before.
  virtual absl::StatusOr<size_t> Read(uint64_t offset, char* out, size_t size) const = 0;

  // Writes all of `data` at byte `offset`; the file grows as needed, a gap reads as zeros. After an
  // error an unknown part may have been written.
  virtual absl::Status Write(uint64_t offset, std::string_view data) = 0;

  // Like Write with the pieces one after the other, in as few system calls as possible.
  virtual absl::Status WriteGather(uint64_t offset, absl::Span<const std::string_view> pieces) = 0;

  // Makes bytes, size and allocation durable (fdatasync). After an error the kernel may have
  // dropped the bytes and a repetition would succeed without writing them: never repeat it.
  virtual absl::Status Datasync() = 0;

  // The same and all other metadata (fsync).
  virtual absl::Status Sync() = 0;

  // Reserves disk space for [offset, offset + length) and extends the size to its end if it is
  // smaller. Bytes never written read as zeros.
  virtual absl::Status Allocate(uint64_t offset, uint64_t length) = 0;

  // Cuts or extends (with zeros) the file to `size` bytes.
  virtual absl::Status Truncate(uint64_t size) = 0;

  // The present size in bytes.
  virtual absl::StatusOr<uint64_t> Size() const = 0;

  // The first byte >= `offset` that may hold something but zeros: what lies between is a hole or
  // was reserved and never written. The size when nothing follows; `offset` itself where the file
  // system cannot tell.
  virtual uint64_t NextData(uint64_t offset) const { return offset; }
  // The first byte >= `offset` that is in a hole or in reserved space; UINT64_MAX where the file
  // system cannot tell. What was read counts as data from then on, by whole pages
  // or larger pieces of the system's choice.
  virtual uint64_t NextHole(uint64_t offset) const {
    (void)offset;
    return UINT64_MAX;
  }
  // Whether reads may bring in more than they ask for (the default). A hint.
  virtual void SetReadAhead(bool on) { (void)on; }
  // The system need not keep what it has cached from `from` on and can read again. A hint.
  virtual void ForgetCached(uint64_t from) { (void)from; }

  // The path that the file was opened with.
  virtual const std::string& path() const = 0;
};

// A lock that is held until destruction, or the end of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode {
  kReadOnly,      // The file must exist.
  kReadWrite,     // The file must exist.
  kCreateNew,     // The file must not exist; read and write.
  kOpenOrCreate,  // Read and write.
};

struct DiskSpace {
  uint64_t total = 0;      // bytes
  uint64_t available = 0;  // bytes that this process may still use
};

// Thread safe. Paths are absolute or relative to the working directory.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual absl::StatusOr<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) = 0;

  // Gives the file or directory `from` the name `to`, replacing a file of that name in one step.
  // Both must be in the same directory.
  virtual absl::Status Rename(std::string_view from, std::string_view to) = 0;

  // Removes a file or an empty directory.
  virtual absl::Status Remove(std::string_view path) = 0;

  // The names of the files and directories in `directory`, sorted, without their path.
  virtual absl::StatusOr<std::vector<std::string>> List(std::string_view directory) = 0;

  // Creates the directory and its missing parents; one that exists already is fine. Each created
  // name is durable after SyncDirectory of its parent; MakeDurableDirectory does that too.
  virtual absl::Status CreateDirectory(std::string_view path) = 0;

  // Makes the names in `directory` durable: creations, renames and removals.
  virtual absl::Status SyncDirectory(std::string_view directory) = 0;

  // Whether a file or directory of this name exists.
  virtual absl::StatusOr<bool> Exists(std::string_view path) = 0;

  // Takes the exclusive lock of the file `path` (created if missing, and left there), without
  // waiting, and writes the process id into it. FailedPrecondition when another holder has it; the
  // sentence names that process if it is known.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(std::string_view path) = 0;

  // Space of the file system that holds `path`, which must exist.
  virtual absl::StatusOr<DiskSpace> Space(std::string_view path) = 0;
};

// The directory part of `path`: "/" for "/a", "." for "a". Trailing slashes are ignored.
std::string DirectoryOf(std::string_view path);

// `directory` and `name` with exactly one slash between them.
std::string JoinPath(std::string_view directory, std::string_view name);

// Creates `path` with its missing parents and makes every name on the way durable.
absl::Status MakeDurableDirectory(FileSystem& files, std::string_view path);

// The whole content of a file. ResourceExhausted when it has more than `max_bytes`.
absl::StatusOr<std::string> ReadWholeFile(FileSystem& files, std::string_view path,
                                          size_t max_bytes);

// Replaces or creates `path` durably: after a power cut it has its old content or all of `data`.
// Uses `path` + ".new" on the way. Not for concurrent writers of one path.
absl::Status ReplaceFile(FileSystem& files, std::string_view path, std::string_view data);

// Removes `path` durably: it does not come back with a power cut.
absl::Status RemoveFile(FileSystem& files, std::string_view path);

// An error of the operating system as a status: "cannot <action> <path>: <text>; <cure>".
absl::Status FileError(std::string_view action, std::string_view path, int error_number);

}  // namespace mansio

#endif  // MANSIO_COMMON_FILES_FILE_SYSTEM_H_
