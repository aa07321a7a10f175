#ifndef MANSIO_STORE_CHECKPOINT_ROCKSDB_STORE_H_
#define MANSIO_STORE_CHECKPOINT_ROCKSDB_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "store/checkpoint/key_value_store.h"

namespace mansio::store {

// Opens or creates the RocksDB in `directory` (on the real file system; its parent is made when
// missing). The write-ahead log is off, since the commit log is one: a batch is flushed to a table
// file and the manifest before Write returns. Memory and descriptors stay small whatever the number
// of queues. A database too damaged to open is DataLoss: call WipeRocksDb and open again.
absl::StatusOr<std::unique_ptr<KeyValueStore>> OpenRocksDb(const std::string& directory);

// Deletes the database in `directory`, whatever its state.
absl::Status WipeRocksDb(const std::string& directory);

}  // namespace mansio::store

#endif  // MANSIO_STORE_CHECKPOINT_ROCKSDB_STORE_H_
