#include "common/files/file_system.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace mansio {
namespace {

std::string_view WithoutTrailingSlashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

absl::StatusCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
      return absl::StatusCode::kNotFound;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::StatusCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case ENOTEMPTY:
    case EISDIR:
    case ENOTDIR:
    case EWOULDBLOCK:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string_view CureOfErrno(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "; check the path";
    case EACCES:
    case EPERM:
      return "; check the owner and mode of the file and its directories";
    case EROFS:
      return "; mount the file system writable or choose another directory";
    case ENOSPC:
    case EDQUOT:
      return "; free disk space or choose another directory";
    case EMFILE:
    case ENFILE:
      return "; raise the limit of open files (ulimit -n)";
    case EIO:
      return "; the disk may be failing, see the kernel log";
    default:
      return "";
  }
}

}  // namespace

absl::Status FileError(std::string_view action, std::string_view path, int error_number) {
  return absl::Status(
      CodeOfErrno(error_number),
      fmt::format("cannot {} {}: {}{}", action, path, std::generic_category().message(error_number),
                  CureOfErrno(error_number)));
}

std::string DirectoryOf(std::string_view path) {
  path = WithoutTrailingSlashes(path);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(WithoutTrailingSlashes(path.substr(0, slash)));
}

std::string JoinPath(std::string_view directory, std::string_view name) {
  if (directory.empty()) return std::string(name);
  directory = WithoutTrailingSlashes(directory);
  return directory == "/" ? fmt::format("/{}", name) : fmt::format("{}/{}", directory, name);
}

absl::Status MakeDurableDirectory(FileSystem& files, std::string_view path) {
  path = WithoutTrailingSlashes(path);
  const std::string parent = DirectoryOf(path);
  if (parent != path && parent != "." && parent != "/") {
    if (absl::Status status = MakeDurableDirectory(files, parent); !status.ok()) return status;
  }
  absl::StatusOr<bool> exists = files.Exists(path);
  if (!exists.ok()) return exists.status();
  if (*exists) return absl::OkStatus();
  if (absl::Status status = files.CreateDirectory(path); !status.ok()) return status;
  return files.SyncDirectory(parent);
}

absl::StatusOr<std::string> ReadWholeFile(FileSystem& files, std::string_view path,
                                          size_t max_bytes) {
  auto file = files.Open(path, OpenMode::kReadOnly);
  if (!file.ok()) return file.status();
  auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  if (*size > max_bytes) {
    return absl::ResourceExhaustedError(
        fmt::format("{} has {} bytes; at most {} are accepted", path, *size, max_bytes));
  }
  std::string content(*size, '\0');
  auto read = (*file)->Read(0, content.data(), content.size());
  if (!read.ok()) return read.status();
  content.resize(*read);
  return content;
}

absl::Status ReplaceFile(FileSystem& files, std::string_view path, std::string_view data) {
  const std::string draft = fmt::format("{}.new", path);
  {
    auto file = files.Open(draft, OpenMode::kOpenOrCreate);
    if (!file.ok()) return file.status();
    absl::Status status = (*file)->Truncate(0);
    if (status.ok()) status = (*file)->Write(0, data);
    if (status.ok()) status = (*file)->Sync();
    if (!status.ok()) return status;
  }
  if (absl::Status status = files.Rename(draft, path); !status.ok()) return status;
  return files.SyncDirectory(DirectoryOf(path));
}

absl::Status RemoveFile(FileSystem& files, std::string_view path) {
  if (absl::Status removed = files.Remove(path); !removed.ok()) return removed;
  return files.SyncDirectory(DirectoryOf(path));
}

}  // namespace mansio
