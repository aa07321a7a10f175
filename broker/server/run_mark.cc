#include "broker/server/run_mark.h"

#include <fstream>
#include <utility>

namespace mansio::broker {
namespace {

constexpr size_t kMaxBytes = 1000;
constexpr char kName[] = "RUNNING";
// In the place of a boot: no machine has it.
constexpr char kBeganEmpty[] = "began empty\n";

bool IsOfBoot(const std::string& left, const std::string& boot) {
  return !boot.empty() && left == boot + "\n";
}

}  // namespace

absl::StatusOr<bool> RunMark::LastRunIsWhole(FileSystem& files, const std::string& directory,
                                             const std::string& boot) {
  const absl::StatusOr<std::string> left =
      ReadWholeFile(files, JoinPath(directory, kName), kMaxBytes);
  if (absl::IsNotFound(left.status())) return true;
  if (!left.ok()) return left.status();
  return IsOfBoot(*left, boot);
}

absl::StatusOr<RunMark> RunMark::Begin(FileSystem* files, const std::string& directory,
                                       std::string boot, bool empty) {
  std::string path = JoinPath(directory, kName);
  const absl::StatusOr<std::string> left = ReadWholeFile(*files, path, kMaxBytes);
  if (!left.ok() && !absl::IsNotFound(left.status())) return left.status();
  RunMark mark(files, std::move(path), std::move(boot));
  absl::Status written;
  if (empty) {
    mark.began_empty_ = true;
    written = ReplaceFile(*files, mark.path_, kBeganEmpty);
  } else if (!left.ok()) {
    written = mark.SetWhole();
  } else {
    // That of the boot in which it may have lost something stays until it has that again.
    mark.began_empty_ = *left == kBeganEmpty;
    mark.whole_ = IsOfBoot(*left, mark.boot_);
  }
  if (!written.ok()) return written;
  return mark;
}

absl::Status RunMark::SetWhole() {
  absl::Status written = ReplaceFile(*files_, path_, boot_ + "\n");
  if (!written.ok()) return written;
  whole_ = true;
  began_empty_ = false;
  return absl::OkStatus();
}

absl::Status RunMark::End() {
  if (!whole_) return absl::OkStatus();
  if (absl::Status removed = files_->Remove(path_); !removed.ok()) return removed;
  return files_->SyncDirectory(DirectoryOf(path_));
}

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace mansio::broker
