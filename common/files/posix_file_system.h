#ifndef MANSIO_COMMON_FILES_POSIX_FILE_SYSTEM_H_
#define MANSIO_COMMON_FILES_POSIX_FILE_SYSTEM_H_

#include "common/files/file_system.h"

namespace mansio {

// The machine's file systems. New files have mode 0640, directories 0750, both less the umask.
class PosixFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override;
  absl::Status Rename(std::string_view from, std::string_view to) override;
  absl::Status Remove(std::string_view path) override;
  absl::StatusOr<std::vector<std::string>> List(std::string_view directory) override;
  absl::Status CreateDirectory(std::string_view path) override;
  absl::Status SyncDirectory(std::string_view directory) override;
  absl::StatusOr<bool> Exists(std::string_view path) override;
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(std::string_view path) override;
  absl::StatusOr<DiskSpace> Space(std::string_view path) override;
};

}  // namespace mansio

#endif  // MANSIO_COMMON_FILES_POSIX_FILE_SYSTEM_H_
