#include "store/store_directory.h"

#include <fmt/format.h>

#include "absl/status/status.h"

namespace mansio::store {
namespace {

absl::Status CheckFormat(FileSystem* files, const std::string& path) {
  const std::string file = JoinPath(path, "FORMAT");
  const std::string expected = fmt::format("mansio store {}\n", kStoreFormat);
  const absl::StatusOr<bool> exists = files->Exists(file);
  if (!exists.ok()) return exists.status();
  if (!*exists) return ReplaceFile(*files, file, expected);
  const absl::StatusOr<std::string> content = ReadWholeFile(*files, file, 4096);
  if (!content.ok()) return content.status();
  if (*content == expected) return absl::OkStatus();
  const std::string found = content->substr(0, content->find('\n'));
  return absl::FailedPreconditionError(
      fmt::format("{} says \"{}\", and this program knows \"mansio store {}\" only: start the "
                  "version that wrote the directory, or choose another store.path",
                  file, found, kStoreFormat));
}

}  // namespace

absl::StatusOr<std::unique_ptr<FileLock>> ClaimDirectory(FileSystem* files,
                                                         const std::string& path) {
  if (absl::Status made = MakeDurableDirectory(*files, path); !made.ok()) return made;
  absl::StatusOr<std::unique_ptr<FileLock>> lock = files->Lock(JoinPath(path, "LOCK"));
  if (!lock.ok()) {
    if (!absl::IsFailedPrecondition(lock.status())) return lock.status();
    return absl::FailedPreconditionError(
        fmt::format("another broker uses the store directory {}: {}; stop it, or give this one "
                    "another store.path",
                    path, std::string(lock.status().message())));
  }
  if (absl::Status known = CheckFormat(files, path); !known.ok()) return known;
  return lock;
}

}  // namespace mansio::store
