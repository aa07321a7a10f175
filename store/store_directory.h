#ifndef MANSIO_STORE_STORE_DIRECTORY_H_
#define MANSIO_STORE_STORE_DIRECTORY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "common/files/file_system.h"

namespace mansio::store {

inline constexpr int kStoreFormat = 1;

// Creates the store's directory if it is missing, takes its lock (file LOCK) and checks the version
// in its file FORMAT, which a new directory gets. FailedPrecondition when another process has the
// lock or the version is one that this program does not know. The lock is held until the result is
// destroyed.
absl::StatusOr<std::unique_ptr<FileLock>> ClaimDirectory(FileSystem* files,
                                                         const std::string& path);

}  // namespace mansio::store

#endif  // MANSIO_STORE_STORE_DIRECTORY_H_
