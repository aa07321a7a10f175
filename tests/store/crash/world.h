#ifndef MANSIO_TESTS_STORE_CRASH_WORLD_H_
#define MANSIO_TESTS_STORE_CRASH_WORLD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/files/recording_file_system.h"
#include "common/sync/sync.h"
#include "store/checkpoint/memory_store.h"
#include "store/store.h"
#include "store/types.h"

namespace mansio::store {

// Everything that a power cut leaves behind or that the outside has been told, in one order: file
// operations, checkpoint writes and promises happen one at a time. At chosen moments of that order
// an image is taken of what would be on disk if the power went now.

// A message that a client was told of (its send was answered) or could have read.
struct Promise {
  QueueKey queue;
  QueueOffset offset = 0;
  LogOffset end = 0;  // of its frame's record in the log; for `async`
  std::string content;
};

// What was true outside at one moment. Promises are kept in the order in which they were made.
struct Image {
  std::unique_ptr<RecordingFileSystem> files;
  std::shared_ptr<const MemoryStore::Content> checkpoint;
  size_t promises = 0;   // how many had been made
  size_t puts = 0;       // how many puts had been answered
  size_t positions = 0;  // how many had been given
  Epoch epoch = 0;       // the greatest that had been used
  LogOffset synced = 0;  // what the log said was synced
  uint64_t moments = 0;  // how many World::Happened had counted
  uint64_t seed = 0;
  std::string description;  // for failures: which moment
};

class World {
 public:
  // Takes an image before an operation with probability 1 / `every`, at most `limit` images.
  World(uint64_t seed, uint32_t every, size_t limit, RecordingFileSystem::CrashMode mode);

  // The disks below. Nobody else may use them while the world runs.
  RecordingFileSystem& files() { return files_; }
  MemoryStore& checkpoint() { return checkpoint_; }
  Mutex& mutex() { return mutex_; }

  // Called with the mutex held, before each change of a disk.
  void BeforeOperation(std::string_view what) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // --- Promises, each at its place in the order.
  void Placed(LogPosition position);
  void Promised(Promise promise);
  void PutAnswered(std::string key, std::string value);
  void Synced(LogOffset synced);
  // Counts a moment at which something became known outside; an image says how many came before it.
  uint64_t Happened();

  // --- After the run.
  std::vector<Image> TakeImages();
  std::vector<Promise> promises() const;
  std::vector<std::pair<std::string, std::string>> puts() const;
  // Every position that a record was ever given.
  std::vector<LogPosition> positions() const;

 private:
  const uint32_t every_;
  const size_t limit_;
  const RecordingFileSystem::CrashMode mode_;
  RecordingFileSystem files_;
  MemoryStore checkpoint_;
  mutable Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
  std::vector<Image> images_ ABSL_GUARDED_BY(mutex_);
  std::vector<Promise> promises_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> puts_ ABSL_GUARDED_BY(mutex_);
  std::vector<LogPosition> positions_ ABSL_GUARDED_BY(mutex_);
  LogOffset synced_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t moments_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t operations_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The world's disks as the store sees them.
std::unique_ptr<FileSystem> WorldFiles(World* world);

class WorldCheckpoint : public KeyValueStore {
 public:
  explicit WorldCheckpoint(World* world) : world_(world) {}
  absl::Status Write(const KeyValueBatch& batch) override;
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override;
  absl::Status Scan(
      std::string_view begin, std::string_view end,
      absl::FunctionRef<bool(std::string_view, std::string_view)> visit) const override;
  absl::Status Wipe() override;

 private:
  World* const world_;
};

}  // namespace mansio::store

#endif  // MANSIO_TESTS_STORE_CRASH_WORLD_H_
