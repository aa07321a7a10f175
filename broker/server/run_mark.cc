#include "broker/server/run_mark.h"

#include <fstream>
#include <utility>

#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr size_t kMaxBytes = 1000;
// In the place of a boot: no machine has it.
constexpr char kBeganEmpty[] = "began empty\n";
constexpr char kDiskFailed[] = "disk failed\n";  // the same

bool IsOfBoot(const std::string& left, const std::string& boot) {
  return !boot.empty() && left == boot + "\n";
}

}  // namespace

RunMark::RunMark(FileSystem* files, std::string_view directory, std::string boot)
    : files_(files), path_(JoinPath(directory, "RUNNING")), boot_(std::move(boot)) {}

absl::StatusOr<std::string> RunMark::ReadMark() const {
  return ReadWholeFile(*files_, path_, kMaxBytes);
}

absl::StatusOr<bool> RunMark::IsOrWouldBeWhole() const {
  if (begun_) return whole_;
  const absl::StatusOr<std::string> left = ReadMark();
  if (absl::IsNotFound(left.status())) return true;
  if (!left.ok()) return left.status();
  return IsOfBoot(*left, boot_);
}

absl::Status RunMark::StoreWasOpened(bool empty) {
  closed_in_order_ = false;
  if (begun_) return absl::OkStatus();
  absl::Status status = Begin(empty);
  begun_ = status.ok();
  return status;
}

absl::Status RunMark::Begin(bool empty) {
  const absl::StatusOr<std::string> left = ReadMark();
  if (!left.ok() && !absl::IsNotFound(left.status())) return left.status();
  if (empty) {
    began_empty_ = true;
    return ReplaceFile(*files_, path_, kBeganEmpty);
  }
  if (!left.ok()) return SetWhole();
  // That of the boot in which it may have lost something stays until it has that again.
  began_empty_ = *left == kBeganEmpty;
  whole_ = IsOfBoot(*left, boot_);
  return absl::OkStatus();
}

absl::Status RunMark::SetWhole() {
  absl::Status written = ReplaceFile(*files_, path_, boot_ + "\n");
  if (!written.ok()) return written;
  whole_ = true;
  began_empty_ = false;
  return absl::OkStatus();
}

absl::Status RunMark::Doubt() {
  whole_ = false;
  return ReplaceFile(*files_, path_, began_empty_ ? kBeganEmpty : kDiskFailed);
}

bool RunMark::BecomeWhole() {
  if (!begun_ || whole_) return false;
  const absl::Status written = SetWhole();
  if (!written.ok()) {
    LOG_WARNING("This member goes on as one that may lack something: {}",
                std::string(written.message()));
  }
  return written.ok();
}

void RunMark::StoreWasClosed(const absl::Status& closed) { closed_in_order_ = closed.ok(); }

void RunMark::End() {
  if (!begun_ || !whole_ || !closed_in_order_) return;
  if (absl::Status removed = RemoveFile(*files_, path_); !removed.ok()) {
    LOG_WARNING("The next start takes this end for one without order: {}",
                std::string(removed.message()));
  }
}

std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace mansio::broker
