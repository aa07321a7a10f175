#include "common/files/recording_machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace mansio::recording {

absl::Status Machine::Begin(Operation operation, std::string_view action, std::string_view path,
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

bool Machine::TakeSpace(const FileNode& file, uint64_t size) {
  const uint64_t growth = size > file.size() ? size - file.size() : 0;
  if (space_left_ == kUnlimited) return true;
  if (growth > space_left_) return false;
  space_left_ -= growth;
  return true;
}

absl::StatusOr<size_t> Machine::Read(const FileNode& file, const std::string& path, uint64_t offset,
                                     char* out, size_t size) {
  MutexLock lock(&mutex_);
  std::optional<size_t> limit;
  absl::Status status = Begin(Operation::kRead, "read", path, &limit);
  if (!status.ok()) return status;
  return file.Read(offset, out, limit ? std::min(size, *limit) : size);
}

absl::Status Machine::Write(FileNode& file, const std::string& path, uint64_t offset,
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

absl::Status Machine::Sync(FileNode& file, const std::string& path, Operation operation) {
  MutexLock lock(&mutex_);
  while (hold_syncs_) released_.Wait(&mutex_);
  absl::Status status = Begin(operation, "flush", path);
  if (ignore_syncs_ && status.ok()) return status;
  if (status.ok()) {
    file.Sync();
  } else if (powered_) {
    file.LoseUnsynced();
  }
  return status;
}

absl::Status Machine::Resize(FileNode& file, const std::string& path, Operation operation,
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

absl::StatusOr<uint64_t> Machine::Size(const FileNode& file) const {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return file.size();
}

std::shared_ptr<DirectoryNode> Machine::FindDirectory(std::string_view path) {
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

Machine::Place Machine::FindPlace(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return {FindDirectory(DirectoryOf(path)), std::string(path.substr(path.rfind('/') + 1))};
}

absl::StatusOr<std::shared_ptr<FileNode>> Machine::Open(std::string_view path, OpenMode mode) {
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

absl::Status Machine::Rename(std::string_view from, std::string_view to) {
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

absl::Status Machine::Remove(std::string_view path) {
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

absl::StatusOr<std::vector<std::string>> Machine::List(std::string_view path) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  const auto directory = FindDirectory(path);
  if (!directory) return FileError("list", path, ENOENT);
  std::vector<std::string> names;
  for (const auto& [name, node] : directory->names()) names.push_back(name);
  return names;
}

absl::Status Machine::CreateDirectory(std::string_view path) {
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

absl::Status Machine::SyncDirectory(std::string_view path) {
  MutexLock lock(&mutex_);
  absl::Status status = Begin(Operation::kSyncDirectory, "flush the directory", path);
  if (!status.ok()) return status;
  const auto directory = FindDirectory(path);
  if (!directory) return FileError("open the directory", path, ENOENT);
  if (!ignore_syncs_) directory->Sync();
  return absl::OkStatus();
}

absl::StatusOr<bool> Machine::Exists(std::string_view path) {
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  if (FindDirectory(path)) return true;
  const Place place = FindPlace(path);
  return place.directory && place.directory->names().contains(place.name);
}

absl::Status Machine::Lock(std::string_view path) {
  auto file = Open(path, OpenMode::kOpenOrCreate);
  if (!file.ok()) return file.status();
  MutexLock lock(&mutex_);
  if (locks_.insert(std::string(path)).second) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "{} is in use by another process, which holds the lock {}", DirectoryOf(path), path));
}

void Machine::Unlock(const std::string& path) {
  MutexLock lock(&mutex_);
  locks_.erase(path);
}

absl::StatusOr<DiskSpace> Machine::Space() {
  constexpr uint64_t kTotal = uint64_t{1} << 40;
  MutexLock lock(&mutex_);
  if (absl::Status status = CheckPower(); !status.ok()) return status;
  return DiskSpace{kTotal, std::min(space_left_, kTotal)};
}

}  // namespace mansio::recording
