#include "store/checkpoint/rocksdb_store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "common/sync/sync.h"

namespace mansio::store {
namespace {

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::Options DatabaseOptions() {
  rocksdb::Options options;
  options.create_if_missing = true;
  // Few threads, small buffers: an idle broker is to stay under 60 MiB.
  options.max_background_jobs = 2;
  options.write_buffer_size = 8 << 20;
  options.max_write_buffer_number = 2;
  options.max_open_files = 64;
  options.max_manifest_file_size = 4 << 20;
  options.keep_log_file_num = 2;
  options.max_log_file_size = 1 << 20;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.avoid_flush_during_shutdown = true;
  // Queue entries hardly compress, and a table read should cost one pread.
  options.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(8 << 20, /*num_shard_bits=*/2);
  table.cache_index_and_filter_blocks = true;
  table.block_size = 16 << 10;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

absl::Status ToStatus(const rocksdb::Status& status, const std::string& what,
                      const std::string& directory) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption() || status.IsInvalidArgument() || status.IsNotSupported() ||
      status.IsPathNotFound()) {
    return absl::DataLossError(
        fmt::format("the checkpoint in {} is damaged ({} failed: {}); it can be deleted while the "
                    "broker is stopped, the next start rebuilds it from the log",
                    directory, what, status.ToString()));
  }
  const std::string text = fmt::format(
      "cannot {} the checkpoint in {}: {}; check that the disk has space and that the broker's "
      "user may write there",
      what, directory, status.ToString());
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(text);
  return absl::UnavailableError(text);
}

// What RocksDB needs beside the changes themselves: a manifest, a table's index.
constexpr uint64_t kRoom = 1 << 20;

// RocksDB may end the process when it finds a disk full, so that is looked at before.
absl::Status CheckRoom(const std::string& directory, uint64_t bytes) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(directory, error);
  const uint64_t needed = kRoom + 2 * bytes;
  if (error || space.available >= needed) return absl::OkStatus();
  return absl::ResourceExhaustedError(fmt::format(
      "the disk of the checkpoint in {} has {} bytes left, and {} are needed: free some "
      "space there",
      directory, space.available, needed));
}

class RocksDbStore : public KeyValueStore {
 public:
  explicit RocksDbStore(std::string directory) : directory_(std::move(directory)) {}
  ~RocksDbStore() override = default;

  absl::Status Open() {
    if (absl::Status room = CheckRoom(directory_, 0); !room.ok()) return room;
    rocksdb::DB* database = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(), directory_, &database);
    if (!status.ok()) return ToStatus(status, "open", directory_);
    const MutexLock lock(&mutex_);
    database_.reset(database);
    return absl::OkStatus();
  }

  absl::Status Write(const KeyValueBatch& batch) override {
    if (absl::Status room = CheckRoom(directory_, batch.bytes()); !room.ok()) return room;
    const std::shared_ptr<rocksdb::DB> database = Database();
    // After an error RocksDB takes nothing more until it is told that the cause is gone.
    if (failed_ && !database->Resume().ok()) {
      return absl::UnavailableError(fmt::format(
          "the checkpoint in {} cannot be written since an earlier error; if this goes on, "
          "restart the broker",
          directory_));
    }
    // One WriteBatch never straddles two memtables, so that a flush takes it whole or not at all.
    rocksdb::WriteBatch writes;
    batch.ForEach([&](const KeyValueBatch::Change& change) {
      switch (change.kind) {
        case KeyValueBatch::Kind::kPut:
          writes.Put(ToSlice(change.key), ToSlice(change.value));
          break;
        case KeyValueBatch::Kind::kDelete:
          writes.Delete(ToSlice(change.key));
          break;
        case KeyValueBatch::Kind::kDeleteRange:
          writes.DeleteRange(ToSlice(change.key), ToSlice(change.value));
          break;
      }
    });
    rocksdb::WriteOptions options;
    options.disableWAL = true;
    rocksdb::Status status = database->Write(options, &writes);
    if (status.ok()) status = database->Flush(rocksdb::FlushOptions());
    failed_ = !status.ok();
    return ToStatus(status, "write", directory_);
  }

  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const override {
    std::string value;
    const rocksdb::Status status = Database()->Get(rocksdb::ReadOptions(), ToSlice(key), &value);
    if (status.IsNotFound()) return std::nullopt;
    if (!status.ok()) return ToStatus(status, "read", directory_);
    return value;
  }

  absl::Status Scan(
      std::string_view begin, std::string_view end,
      absl::FunctionRef<bool(std::string_view, std::string_view)> visit) const override {
    const std::shared_ptr<rocksdb::DB> database = Database();
    const rocksdb::Slice bound = ToSlice(end);
    rocksdb::ReadOptions options;
    options.iterate_upper_bound = &bound;
    const std::unique_ptr<rocksdb::Iterator> at(database->NewIterator(options));
    for (at->Seek(ToSlice(begin)); at->Valid(); at->Next()) {
      if (!visit(ToView(at->key()), ToView(at->value()))) break;
    }
    return ToStatus(at->status(), "read", directory_);
  }

  absl::Status Wipe() override {
    {
      const MutexLock lock(&mutex_);
      database_.reset();
    }
    if (absl::Status wiped = WipeRocksDb(directory_); !wiped.ok()) return wiped;
    return Open();
  }

 private:
  std::shared_ptr<rocksdb::DB> Database() const {
    const MutexLock lock(&mutex_);
    return database_;
  }

  const std::string directory_;
  bool failed_ = false;  // by the last Write; of the one thread that writes at a time
  mutable Mutex mutex_;
  std::shared_ptr<rocksdb::DB> database_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<KeyValueStore>> OpenRocksDb(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot create the checkpoint's directory {}: {}", directory, error.message()));
  }
  auto store = std::make_unique<RocksDbStore>(directory);
  if (absl::Status opened = store->Open(); !opened.ok()) return opened;
  return store;
}

absl::Status WipeRocksDb(const std::string& directory) {
  // Not rocksdb::DestroyDB: it leaves files behind when the manifest cannot be read.
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  if (!error) std::filesystem::create_directories(directory, error);
  if (error) {
    return absl::UnavailableError(fmt::format(
        "cannot delete the damaged checkpoint in {}: {}; delete that directory and start again",
        directory, error.message()));
  }
  return absl::OkStatus();
}

}  // namespace mansio::store
