#include "common/files/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <utility>

namespace mansio {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

// Repeats a system call that a signal interrupted.
template <typename Call>
auto Retry(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_;
};

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, char* out, size_t size) const override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = Retry([&] {
        return pread(fd_.get(), out + done, size - done, static_cast<off_t>(offset + done));
      });
      if (n < 0) return At("read", offset + done);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  absl::Status Write(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = Retry(
          [&] { return pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset)); });
      if (n < 0) return At("write", offset);
      data.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    return absl::OkStatus();
  }

  absl::Status WriteGather(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    std::array<iovec, 64> vectors;
    while (!pieces.empty()) {
      const size_t count = std::min(pieces.size(), vectors.size());
      size_t total = 0;
      for (size_t i = 0; i < count; ++i) {
        vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
        total += pieces[i].size();
      }
      const ssize_t n = Retry([&] {
        return pwritev(fd_.get(), vectors.data(), static_cast<int>(count),
                       static_cast<off_t>(offset));
      });
      if (n < 0) return At("write", offset);
      auto written = static_cast<size_t>(n);
      offset += written;
      if (written < total) {  // Rare: the rest of this round piece by piece.
        for (size_t i = 0; i < count; ++i) {
          const size_t skip = std::min(written, pieces[i].size());
          written -= skip;
          const std::string_view rest = pieces[i].substr(skip);
          if (absl::Status status = Write(offset, rest); !status.ok()) return status;
          offset += rest.size();
        }
      }
      pieces.remove_prefix(count);
    }
    return absl::OkStatus();
  }

  absl::Status Datasync() override {
    if (Retry([&] { return fdatasync(fd_.get()); }) == 0) return absl::OkStatus();
    return FileError("flush", path_, errno);
  }

  absl::Status Sync() override {
    if (Retry([&] { return fsync(fd_.get()); }) == 0) return absl::OkStatus();
    return FileError("flush", path_, errno);
  }

  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    if (length == 0) return absl::OkStatus();
    const auto call = [&] {
      return fallocate(fd_.get(), 0, static_cast<off_t>(offset), static_cast<off_t>(length));
    };
    if (Retry(call) == 0) return absl::OkStatus();
    if (errno != EOPNOTSUPP) return FileError("reserve space for", path_, errno);
    // A file system without reservations: the size at least.
    auto size = Size();
    if (!size.ok()) return size.status();
    return *size >= offset + length ? absl::OkStatus() : Truncate(offset + length);
  }

  absl::Status Truncate(uint64_t size) override {
    if (Retry([&] { return ftruncate(fd_.get(), static_cast<off_t>(size)); }) == 0) {
      return absl::OkStatus();
    }
    return FileError("set the size of", path_, errno);
  }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat info {};
    if (fstat(fd_.get(), &info) != 0) return FileError("read the size of", path_, errno);
    return static_cast<uint64_t>(info.st_size);
  }

  uint64_t NextData(uint64_t offset) const override {
    // Moves the descriptor's own position, which nothing here uses.
    const off_t data = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
    if (data >= 0) return static_cast<uint64_t>(data);
    if (errno != ENXIO) return offset;
    const auto size = Size();
    return size.ok() ? std::max(offset, *size) : offset;
  }

  uint64_t NextHole(uint64_t offset) const override {
    const off_t hole = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_HOLE);
    return hole < 0 ? UINT64_MAX : static_cast<uint64_t>(hole);
  }

  void SetReadAhead(bool on) override {
    posix_fadvise(fd_.get(), 0, 0, on ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM);
  }

  void ForgetCached(uint64_t from) override {
    posix_fadvise(fd_.get(), static_cast<off_t>(from), 0, POSIX_FADV_DONTNEED);
  }

  const std::string& path() const override { return path_; }

 private:
  absl::Status At(std::string_view action, uint64_t offset) const {
    return FileError(action, fmt::format("{} at offset {}", path_, offset), errno);
  }

  const Descriptor fd_;
  const std::string path_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;  // Closing it releases the lock.
};

int FlagsOf(OpenMode mode) {
  switch (mode) {
    case OpenMode::kReadOnly:
      return O_RDONLY;
    case OpenMode::kReadWrite:
      return O_RDWR;
    case OpenMode::kCreateNew:
      return O_RDWR | O_CREAT | O_EXCL;
    case OpenMode::kOpenOrCreate:
      return O_RDWR | O_CREAT;
  }
  return O_RDONLY;
}

Descriptor OpenDescriptor(const std::string& path, int flags) {
  return Descriptor(Retry([&] { return open(path.c_str(), flags | O_CLOEXEC, kFileMode); }));
}

// The process id that the holder has written into its lock file, or nothing.
std::string HolderOf(int fd) {
  char text[32];
  const ssize_t n = pread(fd, text, sizeof(text), 0);
  std::string pid;
  for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; ++i) pid += text[i];
  return pid.empty() ? "another process" : fmt::format("process {}", pid);
}

}  // namespace

absl::StatusOr<std::unique_ptr<File>> PosixFileSystem::Open(std::string_view path, OpenMode mode) {
  std::string name(path);
  Descriptor fd = OpenDescriptor(name, FlagsOf(mode));
  if (!fd.valid()) {
    const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kOpenOrCreate;
    return FileError(creates ? "create" : "open", path, errno);
  }
  return std::make_unique<PosixFile>(std::move(fd), std::move(name));
}

absl::Status PosixFileSystem::Rename(std::string_view from, std::string_view to) {
  if (DirectoryOf(from) != DirectoryOf(to)) {
    return absl::InvalidArgumentError(
        fmt::format("cannot rename {} to {}: they are not in one directory", from, to));
  }
  if (rename(std::string(from).c_str(), std::string(to).c_str()) == 0) return absl::OkStatus();
  const int error_number = errno;
  return FileError("rename", fmt::format("{} to {}", from, to), error_number);
}

absl::Status PosixFileSystem::Remove(std::string_view path) {
  if (remove(std::string(path).c_str()) == 0) return absl::OkStatus();
  return FileError("remove", path, errno);
}

absl::StatusOr<std::vector<std::string>> PosixFileSystem::List(std::string_view directory) {
  DIR* const stream = opendir(std::string(directory).c_str());
  if (stream == nullptr) return FileError("list", directory, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
    errno = 0;
  }
  const int error_number = errno;
  closedir(stream);
  if (error_number != 0) return FileError("list", directory, error_number);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status PosixFileSystem::CreateDirectory(std::string_view path) {
  const std::string name(path);
  if (mkdir(name.c_str(), kDirectoryMode) == 0) return absl::OkStatus();
  const int error_number = errno;
  if (error_number == EEXIST) {
    struct stat info {};
    if (stat(name.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return absl::OkStatus();
  }
  const std::string parent = DirectoryOf(path);
  if (error_number == ENOENT && parent != path && parent != ".") {
    if (absl::Status status = CreateDirectory(parent); !status.ok()) return status;
    if (mkdir(name.c_str(), kDirectoryMode) == 0 || errno == EEXIST) return absl::OkStatus();
    return FileError("create the directory", path, errno);
  }
  return FileError("create the directory", path, error_number);
}

absl::Status PosixFileSystem::SyncDirectory(std::string_view directory) {
  const Descriptor fd = OpenDescriptor(std::string(directory), O_RDONLY | O_DIRECTORY);
  if (!fd.valid()) return FileError("open the directory", directory, errno);
  if (Retry([&] { return fsync(fd.get()); }) == 0) return absl::OkStatus();
  return FileError("flush the directory", directory, errno);
}

absl::StatusOr<bool> PosixFileSystem::Exists(std::string_view path) {
  struct stat info {};
  if (stat(std::string(path).c_str(), &info) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return FileError("look at", path, errno);
}

absl::StatusOr<std::unique_ptr<FileLock>> PosixFileSystem::Lock(std::string_view path) {
  Descriptor fd = OpenDescriptor(std::string(path), O_RDWR | O_CREAT);
  if (!fd.valid()) return FileError("create the lock file", path, errno);
  if (Retry([&] { return flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
    const int error_number = errno;
    if (error_number != EWOULDBLOCK) return FileError("lock", path, error_number);
    return absl::FailedPreconditionError(fmt::format("{} is in use by {}, which holds the lock {}",
                                                     DirectoryOf(path), HolderOf(fd.get()), path));
  }
  // The process id only helps a reader; the lock holds without it, on a full disk for example.
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(fd.get(), 0) == 0) {
    [[maybe_unused]] const ssize_t written = pwrite(fd.get(), pid.data(), pid.size(), 0);
  }
  return std::make_unique<PosixLock>(std::move(fd));
}

absl::StatusOr<DiskSpace> PosixFileSystem::Space(std::string_view path) {
  struct statvfs info {};
  if (Retry([&] { return statvfs(std::string(path).c_str(), &info); }) != 0) {
    return FileError("read the free space of", path, errno);
  }
  const uint64_t block = info.f_frsize;
  return DiskSpace{block * info.f_blocks, block * info.f_bavail};
}

}  // namespace mansio
