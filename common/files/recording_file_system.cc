#include "common/files/recording_file_system.h"

#include <cerrno>
#include <utility>

#include "common/files/recording_machine.h"

namespace mansio {
namespace recording {

namespace {

class RecordingFile final : public File {
 public:
  RecordingFile(std::shared_ptr<Machine> machine, std::shared_ptr<FileNode> node, std::string path,
                bool writable)
      : machine_(std::move(machine)),
        node_(std::move(node)),
        path_(std::move(path)),
        writable_(writable) {}

  absl::StatusOr<size_t> Read(uint64_t offset, char* out, size_t size) const override {
    return machine_->Read(*node_, path_, offset, out, size);
  }
  absl::Status Write(uint64_t offset, std::string_view data) override {
    return WriteGather(offset, {data});
  }
  absl::Status WriteGather(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    if (!writable_) return FileError("write", path_, EBADF);
    return machine_->Write(*node_, path_, offset, pieces);
  }
  absl::Status Datasync() override { return machine_->Sync(*node_, path_, Operation::kDatasync); }
  absl::Status Sync() override { return machine_->Sync(*node_, path_, Operation::kSync); }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    if (!writable_) return FileError("reserve space for", path_, EBADF);
    return machine_->Resize(*node_, path_, Operation::kAllocate, offset + length);
  }
  absl::Status Truncate(uint64_t size) override {
    if (!writable_) return FileError("set the size of", path_, EBADF);
    return machine_->Resize(*node_, path_, Operation::kTruncate, size);
  }
  absl::StatusOr<uint64_t> Size() const override { return machine_->Size(*node_); }
  const std::string& path() const override { return path_; }

 private:
  const std::shared_ptr<Machine> machine_;
  const std::shared_ptr<FileNode> node_;
  const std::string path_;
  const bool writable_;
};

class RecordingLock final : public FileLock {
 public:
  RecordingLock(std::shared_ptr<Machine> machine, std::string path)
      : machine_(std::move(machine)), path_(std::move(path)) {}
  ~RecordingLock() override { machine_->Unlock(path_); }

 private:
  const std::shared_ptr<Machine> machine_;
  const std::string path_;
};

}  // namespace
}  // namespace recording

using recording::Machine;

RecordingFileSystem::RecordingFileSystem() : machine_(std::make_shared<Machine>()) {}
RecordingFileSystem::RecordingFileSystem(std::shared_ptr<Machine> machine)
    : machine_(std::move(machine)) {}
RecordingFileSystem::~RecordingFileSystem() = default;

std::shared_ptr<Machine> RecordingFileSystem::machine() const {
  MutexLock lock(&mutex_);
  return machine_;
}

std::unique_ptr<RecordingFileSystem> RecordingFileSystem::CrashCopy(CrashMode mode,
                                                                    uint64_t seed) const {
  return std::unique_ptr<RecordingFileSystem>(
      new RecordingFileSystem(machine()->CrashCopy(mode, seed)));
}

void RecordingFileSystem::Crash(CrashMode mode, uint64_t seed) {
  MutexLock lock(&mutex_);
  machine_->PowerOff();
  machine_ = machine_->CrashCopy(mode, seed);
}

void RecordingFileSystem::PowerOffAt(uint64_t operation) { machine()->PowerOffAt(operation); }
void RecordingFileSystem::Inject(Fault fault) { machine()->Inject(std::move(fault)); }
void RecordingFileSystem::ClearFaults() { machine()->ClearFaults(); }
void RecordingFileSystem::LimitSpace(uint64_t bytes) { machine()->LimitSpace(bytes); }
void RecordingFileSystem::RemoveSpaceLimit() { machine()->LimitSpace(recording::kUnlimited); }
void RecordingFileSystem::IgnoreSyncs(bool ignore) { machine()->IgnoreSyncs(ignore); }
void RecordingFileSystem::HoldSyncs(bool hold) { machine()->HoldSyncs(hold); }
uint64_t RecordingFileSystem::operations() const { return machine()->operations(); }
uint64_t RecordingFileSystem::count(Operation operation) const {
  return machine()->count(operation);
}

absl::StatusOr<std::unique_ptr<File>> RecordingFileSystem::Open(std::string_view path,
                                                                OpenMode mode) {
  const std::shared_ptr<Machine> machine = this->machine();
  auto node = machine->Open(path, mode);
  if (!node.ok()) return node.status();
  return std::make_unique<recording::RecordingFile>(machine, *std::move(node), std::string(path),
                                                    mode != OpenMode::kReadOnly);
}

absl::Status RecordingFileSystem::Rename(std::string_view from, std::string_view to) {
  return machine()->Rename(from, to);
}
absl::Status RecordingFileSystem::Remove(std::string_view path) { return machine()->Remove(path); }
absl::StatusOr<std::vector<std::string>> RecordingFileSystem::List(std::string_view directory) {
  return machine()->List(directory);
}
absl::Status RecordingFileSystem::CreateDirectory(std::string_view path) {
  return machine()->CreateDirectory(path);
}
absl::Status RecordingFileSystem::SyncDirectory(std::string_view directory) {
  return machine()->SyncDirectory(directory);
}
absl::StatusOr<bool> RecordingFileSystem::Exists(std::string_view path) {
  return machine()->Exists(path);
}

absl::StatusOr<std::unique_ptr<FileLock>> RecordingFileSystem::Lock(std::string_view path) {
  const std::shared_ptr<Machine> machine = this->machine();
  if (absl::Status status = machine->Lock(path); !status.ok()) return status;
  return std::make_unique<recording::RecordingLock>(machine, std::string(path));
}

absl::StatusOr<DiskSpace> RecordingFileSystem::Space(std::string_view /*path*/) {
  return machine()->Space();
}

}  // namespace mansio
