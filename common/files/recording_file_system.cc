#include "common/files/recording_file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <set>
#include <utility>

#include "common/files/recording_disk.h"

namespace mansio {
namespace recording {

using Operation = RecordingFileSystem::Operation;
using Fault = RecordingFileSystem::Fault;

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// One machine between two power cuts: its disk, its faults and its counters. Thread safe.
class Disk {
 public:
  Disk() : Disk(std::make_shared<DirectoryNode>()) {}
  explicit Disk(std::shared_ptr<DirectoryNode> root) : root_(std::move(root)) {}

  std::shared_ptr<Disk> CrashCopy(CrashMode mode, uint64_t seed) const {
    Random random(seed);
    MutexLock lock(&mutex_);
    return std::make_shared<Disk>(root_->CrashCopy(mode, random));
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
  const std::shared_ptr<DirectoryNode> root_ ABSL_PT_GUARDED_BY(mutex_);
  bool powered_ ABSL_GUARDED_BY(mutex_) = true;
  bool ignore_syncs_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t power_off_at_ ABSL_GUARDED_BY(mutex_) = kUnlimited;
  uint64_t space_left_ ABSL_GUARDED_BY(mutex_) = kUnlimited;
  uint64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t counts_[RecordingFileSystem::kOperationKinds] ABSL_GUARDED_BY(mutex_) = {};
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> locks_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Disk::Begin(Operation operation, std::string_view action, std::string_view path,
                         std::optional<size_t>* short_read) {
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  ++counts_[static_cast<size_t>(operation)];
  if (operation != Operation::kRead && ++operations_ >= power_off_at_) {
    powered_ = false;
    return CheckPower();
  }
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->operation != operation || path.find(fault->path_contains) == path.npos) continue;
    if (fault->nth > 1) {
      --fault->nth;
      continue;
    }
    const Fault fired = *fault;
    if (!fired.sticky) faults_.erase(fault);
    if (short_read != nullptr && fired.short_read) {
      *short_read = fired.short_read;
      return absl::OkStatus();
    }
    return FileError(action, path, fired.error_number);
  }
  return absl::OkStatus();
}

bool Disk::TakeSpace(const FileNode& file, uint64_t size) {
  const uint64_t growth = size > file.size() ? size - file.size() : 0;
  if (space_left_ == kUnlimited) return true;
  if (growth > space_left_) return false;
  space_left_ -= growth;
  return true;
}

absl::StatusOr<size_t> Disk::Read(const FileNode& file, const std::string& path, uint64_t offset,
                                  char* out, size_t size) {
  MutexLock lock(&mutex_);
  std::optional<size_t> limit;
  absl::Status status = Begin(Operation::kRead, "read", path, &limit);
  if (!status.ok()) return status;
  return file.Read(offset, out, limit ? std::min(size, *limit) : size);
}

absl::Status Disk::Write(FileNode& file, const std::string& path, uint64_t offset,
                         absl::Span<const std::string_view> pieces) {
  MutexLock lock(&mutex_);
  absl::Status status = Begin(Operation::kWrite, "write", path);
  if (!status.ok()) return status;
  for (std::string_view piece : pieces) {
    if (piece.empty()) continue;
    if (!TakeSpace(file, offset + piece.size())) {
      // As the kernel does: what still fits is written.
      const uint64_t fitting = file.size() + space_left_;
      if (fitting > offset) file.Write(offset, piece.substr(0, fitting - offset));
      space_left_ = 0;
      return FileError("write", path, ENOSPC);
    }
    file.Write(offset, piece);
    offset += piece.size();
  }
  return absl::OkStatus();
}

absl::Status Disk::Sync(FileNode& file, const std::string& path, Operation operation) {
  MutexLock lock(&mutex_);
  absl::Status status = Begin(operation, "flush", path);
  if (ignore_syncs_ && status.ok()) return status;
  if (status.ok()) {
    file.Sync();
  } else if (powered_) {
    file.LoseUnsynced();
  }
  return status;
}

absl::Status Disk::Resize(FileNode& file, const std::string& path, Operation operation,
                          uint64_t size) {
  MutexLock lock(&mutex_);
  const bool allocate = operation == Operation::kAllocate;
  const std::string_view action = allocate ? "reserve space for" : "set the size of";
  absl::Status status = Begin(operation, action, path);
  if (!status.ok() || (allocate && size <= file.size())) return status;
  if (allocate && !TakeSpace(file, size)) return FileError(action, path, ENOSPC);
  file.Resize(size);
  return status;
}

absl::StatusOr<uint64_t> Disk::Size(const FileNode& file) const {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return file.size();
}

std::shared_ptr<DirectoryNode> Disk::FindDirectory(std::string_view path) {
  std::shared_ptr<DirectoryNode> directory = root_;
  while (directory) {
    while (path.starts_with('/')) path.remove_prefix(1);
    if (path.empty()) break;
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(name.size());
    if (name == ".") continue;
    const auto found = directory->names().find(name);
    if (found == directory->names().end()) return nullptr;
    const auto* child = std::get_if<std::shared_ptr<DirectoryNode>>(&found->second);
    directory = child == nullptr ? nullptr : *child;
  }
  return directory;
}

Disk::Place Disk::FindPlace(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return {FindDirectory(DirectoryOf(path)), std::string(path.substr(path.rfind('/') + 1))};
}

absl::StatusOr<std::shared_ptr<FileNode>> Disk::Open(std::string_view path, OpenMode mode) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  const Place place = FindPlace(path);
  const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kOpenOrCreate;
  const std::string_view action = creates ? "create" : "open";
  if (!place.directory) return FileError(action, path, ENOENT);
  const auto found = place.directory->names().find(place.name);
  if (found != place.directory->names().end()) {
    if (mode == OpenMode::kCreateNew) return FileError(action, path, EEXIST);
    const auto* file = std::get_if<std::shared_ptr<FileNode>>(&found->second);
    if (file == nullptr) return FileError(action, path, EISDIR);
    return *file;
  }
  if (!creates) return FileError(action, path, ENOENT);
  if (absl::Status status = Begin(Operation::kCreate, action, path); !status.ok()) return status;
  auto file = std::make_shared<FileNode>();
  place.directory->Add(place.name, file);
  return file;
}

absl::Status Disk::Rename(std::string_view from, std::string_view to) {
  if (DirectoryOf(from) != DirectoryOf(to)) {
    return absl::InvalidArgumentError(
        fmt::format("cannot rename {} to {}: they are not in one directory", from, to));
  }
  MutexLock lock(&mutex_);
  if (absl::Status status = Begin(Operation::kRename, "rename", from); !status.ok()) return status;
  const Place source = FindPlace(from);
  if (!source.directory || !source.directory->names().contains(source.name)) {
    return FileError("rename", from, ENOENT);
  }
  const std::string target = FindPlace(to).name;
  const auto replaced = source.directory->names().find(target);
  if (replaced != source.directory->names().end() && target != source.name) {
    const auto* directory = std::get_if<std::shared_ptr<DirectoryNode>>(&replaced->second);
    if (directory != nullptr && !(*directory)->names().empty()) {
      return FileError("replace", to, ENOTEMPTY);
    }
  }
  source.directory->Rename(source.name, target);
  return absl::OkStatus();
}

absl::Status Disk::Remove(std::string_view path) {
  MutexLock lock(&mutex_);
  if (absl::Status status = Begin(Operation::kRemove, "remove", path); !status.ok()) return status;
  const Place place = FindPlace(path);
  if (!place.directory) return FileError("remove", path, ENOENT);
  const auto found = place.directory->names().find(place.name);
  if (found == place.directory->names().end()) return FileError("remove", path, ENOENT);
  const auto* directory = std::get_if<std::shared_ptr<DirectoryNode>>(&found->second);
  if (directory != nullptr && !(*directory)->names().empty()) {
    return FileError("remove", path, ENOTEMPTY);
  }
  place.directory->Remove(place.name);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Disk::List(std::string_view path) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  const auto directory = FindDirectory(path);
  if (!directory) return FileError("list", path, ENOENT);
  std::vector<std::string> names;
  for (const auto& [name, node] : directory->names()) names.push_back(name);
  return names;
}

absl::Status Disk::CreateDirectory(std::string_view path) {
  if (const std::string parent = DirectoryOf(path); parent != path && parent != ".") {
    if (absl::Status status = CreateDirectory(parent); !status.ok()) return status;
  }
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  if (FindDirectory(path)) return absl::OkStatus();
  const Place place = FindPlace(path);
  if (!place.directory || place.directory->names().contains(place.name)) {
    return FileError("create the directory", path, ENOTDIR);
  }
  absl::Status status = Begin(Operation::kCreate, "create the directory", path);
  if (status.ok()) place.directory->Add(place.name, std::make_shared<DirectoryNode>());
  return status;
}

absl::Status Disk::SyncDirectory(std::string_view path) {
  MutexLock lock(&mutex_);
  absl::Status status = Begin(Operation::kSyncDirectory, "flush the directory", path);
  if (!status.ok()) return status;
  const auto directory = FindDirectory(path);
  if (!directory) return FileError("open the directory", path, ENOENT);
  if (!ignore_syncs_) directory->Sync();
  return absl::OkStatus();
}

absl::StatusOr<bool> Disk::Exists(std::string_view path) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  if (FindDirectory(path)) return true;
  const Place place = FindPlace(path);
  return place.directory && place.directory->names().contains(place.name);
}

absl::Status Disk::Lock(std::string_view path) {
  auto file = Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  MutexLock lock(&mutex_);
  if (locks_.insert(std::string(path)).second) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} is in use by another process (it holds the lock {}); stop it or choose "
                  "another directory",
                  DirectoryOf(path), path));
}

void Disk::Unlock(const std::string& path) {
  MutexLock lock(&mutex_);
  locks_.erase(path);
}

absl::StatusOr<DiskSpace> Disk::Space() {
  constexpr uint64_t kTotal = uint64_t{1} << 40;
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return DiskSpace{kTotal, std::min(space_left_, kTotal)};
}

namespace {

class RecordingFile final : public File {
 public:
  RecordingFile(std::shared_ptr<Disk> disk, std::shared_ptr<FileNode> node, std::string path,
                bool writable)
      : disk_(std::move(disk)), node_(std::move(node)), path_(std::move(path)), writable_(writable) {}

  absl::StatusOr<size_t> Read(uint64_t offset, char* out, size_t size) const override {
    return disk_->Read(*node_, path_, offset, out, size);
  }
  absl::Status Write(uint64_t offset, std::string_view data) override {
    return WriteGather(offset, {data});
  }
  absl::Status WriteGather(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    if (!writable_) return FileError("write", path_, EBADF);
    return disk_->Write(*node_, path_, offset, pieces);
  }
  absl::Status Datasync() override { return disk_->Sync(*node_, path_, Operation::kDatasync); }
  absl::Status Sync() override { return disk_->Sync(*node_, path_, Operation::kSync); }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    if (!writable_) return FileError("reserve space for", path_, EBADF);
    return disk_->Resize(*node_, path_, Operation::kAllocate, offset + length);
  }
  absl::Status Truncate(uint64_t size) override {
    if (!writable_) return FileError("set the size of", path_, EBADF);
    return disk_->Resize(*node_, path_, Operation::kTruncate, size);
  }
  absl::StatusOr<uint64_t> Size() const override { return disk_->Size(*node_); }
  const std::string& path() const override { return path_; }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::shared_ptr<FileNode> node_;
  const std::string path_;
  const bool writable_;
};

class RecordingLock final : public FileLock {
 public:
  RecordingLock(std::shared_ptr<Disk> disk, std::string path)
      : disk_(std::move(disk)), path_(std::move(path)) {}
  ~RecordingLock() override { disk_->Unlock(path_); }

 private:
  const std::shared_ptr<Disk> disk_;
  const std::string path_;
};

}  // namespace
}  // namespace recording

using recording::Disk;

RecordingFileSystem::RecordingFileSystem() : disk_(std::make_shared<Disk>()) {}
RecordingFileSystem::RecordingFileSystem(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
RecordingFileSystem::~RecordingFileSystem() = default;

std::shared_ptr<Disk> RecordingFileSystem::disk() const {
  MutexLock lock(&mutex_);
  return disk_;
}

std::unique_ptr<RecordingFileSystem> RecordingFileSystem::CrashCopy(CrashMode mode,
                                                                    uint64_t seed) const {
  return std::unique_ptr<RecordingFileSystem>(
      new RecordingFileSystem(disk()->CrashCopy(mode, seed)));
}

void RecordingFileSystem::Crash(CrashMode mode, uint64_t seed) {
  MutexLock lock(&mutex_);
  disk_->PowerOff();
  disk_ = disk_->CrashCopy(mode, seed);
}

void RecordingFileSystem::PowerOffAt(uint64_t operation) { disk()->PowerOffAt(operation); }
void RecordingFileSystem::Inject(Fault fault) { disk()->Inject(std::move(fault)); }
void RecordingFileSystem::ClearFaults() { disk()->ClearFaults(); }
void RecordingFileSystem::LimitSpace(uint64_t bytes) { disk()->LimitSpace(bytes); }
void RecordingFileSystem::RemoveSpaceLimit() { disk()->LimitSpace(recording::kUnlimited); }
void RecordingFileSystem::IgnoreSyncs(bool ignore) { disk()->IgnoreSyncs(ignore); }
uint64_t RecordingFileSystem::operations() const { return disk()->operations(); }
uint64_t RecordingFileSystem::count(Operation operation) const { return disk()->count(operation); }

absl::StatusOr<std::unique_ptr<File>> RecordingFileSystem::Open(std::string_view path,
                                                                OpenMode mode) {
  const std::shared_ptr<Disk> disk = this->disk();
  auto node = disk->Open(path, mode);
  if (!node.ok()) return node.status();
  return std::make_unique<recording::RecordingFile>(disk, *std::move(node), std::string(path),
                                                    mode != OpenMode::kReadOnly);
}

absl::Status RecordingFileSystem::Rename(std::string_view from, std::string_view to) {
  return disk()->Rename(from, to);
}
absl::Status RecordingFileSystem::Remove(std::string_view path) { return disk()->Remove(path); }
absl::StatusOr<std::vector<std::string>> RecordingFileSystem::List(std::string_view directory) {
  return disk()->List(directory);
}
absl::Status RecordingFileSystem::CreateDirectory(std::string_view path) {
  return disk()->CreateDirectory(path);
}
absl::Status RecordingFileSystem::SyncDirectory(std::string_view directory) {
  return disk()->SyncDirectory(directory);
}
absl::StatusOr<bool> RecordingFileSystem::Exists(std::string_view path) {
  return disk()->Exists(path);
}

absl::StatusOr<std::unique_ptr<FileLock>> RecordingFileSystem::Lock(std::string_view path) {
  const std::shared_ptr<Disk> disk = this->disk();
  if (absl::Status status = disk->Lock(path); !status.ok()) return status;
  return std::make_unique<recording::RecordingLock>(disk, std::string(path));
}

absl::StatusOr<DiskSpace> RecordingFileSystem::Space(std::string_view /*path*/) {
  return disk()->Space();
}

}  // namespace mansio
