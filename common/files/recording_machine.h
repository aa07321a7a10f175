#ifndef MANSIO_COMMON_FILES_RECORDING_MACHINE_H_
#define MANSIO_COMMON_FILES_RECORDING_MACHINE_H_

// The inside of RecordingFileSystem between two power cuts: what is stored, the planned faults and
// the counters.

#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/files/recording_disk.h"
#include "common/files/recording_file_system.h"
#include "common/sync/sync.h"

namespace mansio::recording {

using Operation = RecordingFileSystem::Operation;
using Fault = RecordingFileSystem::Fault;

inline constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// One machine between two power cuts: its disk, its faults and its counters. Thread safe.
class Machine {
 public:
  Machine() : Machine(std::make_shared<DirectoryNode>()) {}
  explicit Machine(std::shared_ptr<DirectoryNode> root) : root_(std::move(root)) {}

  std::shared_ptr<Machine> CrashCopy(CrashMode mode, uint64_t seed) const {
    Random random(seed);
    MutexLock lock(&mutex_);
    return std::make_shared<Machine>(root_->CrashCopy(mode, random));
  }

  void PowerOff() {
    MutexLock lock(&mutex_);
    powered_ = false;
  }
  void PowerOffAt(uint64_t operation) {
    MutexLock lock(&mutex_);
    power_off_at_ = operation;
  }
  void Inject(Fault fault) {
    MutexLock lock(&mutex_);
    faults_.push_back(std::move(fault));
  }
  void ClearFaults() {
    MutexLock lock(&mutex_);
    faults_.clear();
  }
  void LimitSpace(uint64_t bytes) {
    MutexLock lock(&mutex_);
    space_left_ = bytes;
  }
  void IgnoreSyncs(bool ignore) {
    MutexLock lock(&mutex_);
    ignore_syncs_ = ignore;
  }
  void HoldSyncs(bool hold) {
    MutexLock lock(&mutex_);
    hold_syncs_ = hold;
    released_.SignalAll();
  }
  uint64_t operations() const {
    MutexLock lock(&mutex_);
    return operations_;
  }
  uint64_t count(Operation operation) const {
    MutexLock lock(&mutex_);
    return counts_[static_cast<size_t>(operation)];
  }

  absl::StatusOr<size_t> Read(const FileNode& file, const std::string& path, uint64_t offset,
                              char* out, size_t size);
  absl::Status Write(FileNode& file, const std::string& path, uint64_t offset,
                     absl::Span<const std::string_view> pieces);
  absl::Status Sync(FileNode& file, const std::string& path, Operation operation);
  absl::Status Resize(FileNode& file, const std::string& path, Operation operation, uint64_t size);
  absl::StatusOr<uint64_t> Size(const FileNode& file) const;

  absl::StatusOr<std::shared_ptr<FileNode>> Open(std::string_view path, OpenMode mode);
  absl::Status Rename(std::string_view from, std::string_view to);
  absl::Status Remove(std::string_view path);
  absl::StatusOr<std::vector<std::string>> List(std::string_view path);
  absl::Status CreateDirectory(std::string_view path);
  absl::Status SyncDirectory(std::string_view path);
  absl::StatusOr<bool> Exists(std::string_view path);
  absl::Status Lock(std::string_view path);
  void Unlock(const std::string& path);
  absl::StatusOr<DiskSpace> Space();

 private:
  struct Place {
    std::shared_ptr<DirectoryNode> directory;  // null when it does not exist
    std::string name;
  };

  absl::Status CheckPower() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return powered_ ? absl::OkStatus() : absl::UnavailableError("the power is off");
  }

  // Counts the operation and fails it if the power or a fault says so. `short_read`, if given,
  // receives the limit of a planned short read.
  absl::Status Begin(Operation operation, std::string_view action, std::string_view path,
                     std::optional<size_t>* short_read = nullptr)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Takes space for growing `file` to `size`; false when there is not enough.
  bool TakeSpace(const FileNode& file, uint64_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::shared_ptr<DirectoryNode> FindDirectory(std::string_view path)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Place FindPlace(std::string_view path) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  // What it points to is guarded by the lock; Clang 14 has no annotation for a const shared_ptr.
  const std::shared_ptr<DirectoryNode> root_;
  bool powered_ ABSL_GUARDED_BY(mutex_) = true;
  bool ignore_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  bool hold_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  CondVar released_;
  uint64_t power_off_at_ ABSL_GUARDED_BY(mutex_) = kUnlimited;
  uint64_t space_left_ ABSL_GUARDED_BY(mutex_) = kUnlimited;
  uint64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t counts_[RecordingFileSystem::kOperationKinds] ABSL_GUARDED_BY(mutex_) = {};
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locks_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::recording

#endif  // MANSIO_COMMON_FILES_RECORDING_MACHINE_H_
