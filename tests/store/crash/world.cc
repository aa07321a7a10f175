#include "tests/store/crash/world.h"

#include <fmt/format.h>

#include <utility>

namespace mansio::store {

World::World(uint64_t seed, uint32_t every, size_t limit, RecordingFileSystem::CrashMode mode)
    : every_(every), limit_(limit), mode_(mode), random_(seed) {}

void World::BeforeOperation(std::string_view what) {
  ++operations_;
  if (images_.size() >= limit_ || random_() % every_ != 0) return;
  Image& image = images_.emplace_back();
  image.seed = random_();
  image.files = files_.CrashCopy(mode_, image.seed);
  image.checkpoint = checkpoint_.content();
  image.promises = promises_.size();
  image.puts = puts_.size();
  image.positions = positions_.size();
  image.epoch = positions_.empty() ? 0 : positions_.back().epoch;
  image.synced = synced_;
  image.moments = moments_;
  image.description = fmt::format("before operation {}: {}", operations_, what);
}

void World::Placed(LogPosition position) {
  const MutexLock lock(&mutex_);
  positions_.push_back(position);
}

void World::Promised(Promise promise) {
  const MutexLock lock(&mutex_);
  promises_.push_back(std::move(promise));
}

void World::PutAnswered(std::string key, std::string value) {
  const MutexLock lock(&mutex_);
  puts_.emplace_back(std::move(key), std::move(value));
}

void World::Synced(LogOffset synced) {
  const MutexLock lock(&mutex_);
  synced_ = synced;
}

uint64_t World::Happened() {
  const MutexLock lock(&mutex_);
  return ++moments_;
}

std::vector<Image> World::TakeImages() {
  const MutexLock lock(&mutex_);
  return std::exchange(images_, {});
}

std::vector<Promise> World::promises() const {
  const MutexLock lock(&mutex_);
  return promises_;
}

std::vector<std::pair<std::string, std::string>> World::puts() const {
  const MutexLock lock(&mutex_);
  return puts_;
}

std::vector<LogPosition> World::positions() const {
  const MutexLock lock(&mutex_);
  return positions_;
}

namespace {

class WorldFile : public File {
 public:
  WorldFile(World* world, std::unique_ptr<File> below) : world_(world), below_(std::move(below)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, char* out, size_t size) const override {
    return below_->Read(offset, out, size);
  }
  absl::Status Write(uint64_t offset, std::string_view data) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("write " + path());
    return below_->Write(offset, data);
  }
  absl::Status WriteGather(uint64_t offset, absl::Span<const std::string_view> pieces) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("write " + path());
    return below_->WriteGather(offset, pieces);
  }
  absl::Status Datasync() override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("fdatasync " + path());
    return below_->Datasync();
  }
  absl::Status Sync() override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("fsync " + path());
    return below_->Sync();
  }
  absl::Status Allocate(uint64_t offset, uint64_t length) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("allocate " + path());
    return below_->Allocate(offset, length);
  }
  absl::Status Truncate(uint64_t size) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation("truncate " + path());
    return below_->Truncate(size);
  }
  absl::StatusOr<uint64_t> Size() const override { return below_->Size(); }
  const std::string& path() const override { return below_->path(); }

 private:
  World* const world_;
  const std::unique_ptr<File> below_;
};

class WorldFileSystem : public FileSystem {
 public:
  explicit WorldFileSystem(World* world) : world_(world) {}

  absl::StatusOr<std::unique_ptr<File>> Open(std::string_view path, OpenMode mode) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation(fmt::format("open {}", path));
    absl::StatusOr<std::unique_ptr<File>> file = world_->files().Open(path, mode);
    if (!file.ok()) return file;
    return std::make_unique<WorldFile>(world_, *std::move(file));
  }
  absl::Status Rename(std::string_view from, std::string_view to) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation(fmt::format("rename {}", from));
    return world_->files().Rename(from, to);
  }
  absl::Status Remove(std::string_view path) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation(fmt::format("remove {}", path));
    return world_->files().Remove(path);
  }
  absl::StatusOr<std::vector<std::string>> List(std::string_view directory) override {
    return world_->files().List(directory);
  }
  absl::Status CreateDirectory(std::string_view path) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation(fmt::format("mkdir {}", path));
    return world_->files().CreateDirectory(path);
  }
  absl::Status SyncDirectory(std::string_view directory) override {
    const MutexLock lock(&world_->mutex());
    world_->BeforeOperation(fmt::format("fsync of the directory {}", directory));
    return world_->files().SyncDirectory(directory);
  }
  absl::StatusOr<bool> Exists(std::string_view path) override {
    return world_->files().Exists(path);
  }
  absl::StatusOr<std::unique_ptr<FileLock>> Lock(std::string_view path) override {
    return world_->files().Lock(path);
  }
  absl::StatusOr<DiskSpace> Space(std::string_view path) override {
    return world_->files().Space(path);
  }

 private:
  World* const world_;
};

}  // namespace

std::unique_ptr<FileSystem> WorldFiles(World* world) {
  return std::make_unique<WorldFileSystem>(world);
}

absl::Status WorldCheckpoint::Write(const KeyValueBatch& batch) {
  const MutexLock lock(&world_->mutex());
  world_->BeforeOperation("checkpoint");
  return world_->checkpoint().Write(batch);
}

absl::StatusOr<std::optional<std::string>> WorldCheckpoint::Get(std::string_view key) const {
  return world_->checkpoint().Get(key);
}

absl::Status WorldCheckpoint::Scan(
    std::string_view begin, std::string_view end,
    absl::FunctionRef<bool(std::string_view, std::string_view)> visit) const {
  return world_->checkpoint().Scan(begin, end, visit);
}

absl::Status WorldCheckpoint::Wipe() {
  const MutexLock lock(&world_->mutex());
  world_->BeforeOperation("wiping the checkpoint");
  return world_->checkpoint().Wipe();
}

}  // namespace mansio::store
