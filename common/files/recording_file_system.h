#ifndef MANSIO_COMMON_FILES_RECORDING_FILE_SYSTEM_H_
#define MANSIO_COMMON_FILES_RECORDING_FILE_SYSTEM_H_

// A file system in memory that knows what a power cut would leave, and that fails on demand. For
// tests only. Deterministic: the same operations and seeds give the same state.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/files/file_system.h"
#include "common/sync/sync.h"

namespace mansio {

namespace recording {
class Machine;  // What is stored, what of it is durable, and which faults are planned.
}

class RecordingFileSystem final : public FileSystem {
 public:
  enum class CrashMode {
    kDropAll,       // Everything not synced is gone.
    kRandomSubset,  // Each unsynced page, name and size survives or not at random; pages tear
                    // between 512-byte sectors or appear as they were at an earlier moment.
  };

  enum class Operation {
    kRead,
    kWrite,
    kDatasync,
    kSync,
    kAllocate,
    kTruncate,
    kCreate,  // of a file or directory
    kRename,
    kRemove,
    kSyncDirectory,
  };
  static constexpr int kOperationKinds = 10;

  // One planned failure. It applies to operations of its kind on paths that contain
  // `path_contains`; the `nth` of them from now on (1 is the next) fails, and all later ones too
  // when `sticky`. A failed Datasync or Sync loses its pages as the kernel does: they stay readable
  // but no later sync writes them.
  struct Fault {
    Operation operation = Operation::kWrite;
    uint64_t nth = 1;
    bool sticky = false;
    int error_number = 5;  // EIO
    std::string path_contains;
    // For kRead: instead of an error, return at most this many bytes, as if the file ended there.
    std::optional<size_t> short_read;
  };

  RecordingFileSystem();
  ~RecordingFileSystem() override;

  // --- Power cuts -----------------------------------------------------------------------------

  // The state after a power cut at this moment, as a file system of its own, with no faults and no
  // locks. This one goes on unharmed. Cheap: pages are shared.
  std::unique_ptr<RecordingFileSystem> CrashCopy(CrashMode mode, uint64_t seed) const;

  // The same in place: open files and locks of before are dead, and fail with "the power is off".
  // Faults, limits and a planned power-off are forgotten.
  void Crash(CrashMode mode, uint64_t seed);

  // Turns the power off at mutating operation number `operation` (see operations()): it and
  // everything after it fails with Unavailable "the power is off" and changes nothing until Crash.
  void PowerOffAt(uint64_t operation);

  // --- Faults ---------------------------------------------------------------------------------

  void Inject(Fault fault);
  void ClearFaults();

  // Lets writes and allocations take `bytes` more of new disk space, then fail with ENOSPC.
  void LimitSpace(uint64_t bytes);
  void RemoveSpaceLimit();

  // A build with a broken flush: while `ignore`, Datasync, Sync and SyncDirectory do nothing but
  // say that all is well. Survives no Crash.
  void IgnoreSyncs(bool ignore);

  // A disk that does not answer: while `hold`, Datasync and Sync wait. Survives no Crash.
  void HoldSyncs(bool hold);

  // --- Observation ----------------------------------------------------------------------------

  // Mutating operations so far: all kinds but kRead, failed ones included.
  uint64_t operations() const;

  // Operations of one kind so far, failed ones included.
  uint64_t count(Operation operation) const;

  // --- FileSystem -----------------------------------------------------------------------------

  absl::StatusOr<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  absl::Status Rename(std::string_view from, std::string_view to) override;
  absl::Status Remove(std::string_view path) override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view directory) override;
  absl::Status CreateDirectory(std::string_view path) override;
  absl::Status SyncDirectory(std::string_view directory) override;
  absl::StatusOr<bool> Exists(std::string_view path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(std::string_view path) override;
  absl::StatusOr<DiskSpace> Space(std::string_view path) override;

 private:
  explicit RecordingFileSystem(std::shared_ptr<recording::Machine> machine);
  std::shared_ptr<recording::Machine> machine() const;

  mutable Mutex mutex_;
  std::shared_ptr<recording::Machine> machine_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio

#endif  // MANSIO_COMMON_FILES_RECORDING_FILE_SYSTEM_H_
