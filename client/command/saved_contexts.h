#ifndef MANSIO_CLIENT_COMMAND_SAVED_CONTEXTS_H_
#define MANSIO_CLIENT_COMMAND_SAVED_CONTEXTS_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/files/file_system.h"

// The clusters that a user works with, each under a name, in the file contexts.yaml of the user's
// configuration directory.
namespace mansio::command {

// How one cluster is reached.
struct SavedContext {
  std::string endpoint;
  bool tls = false;
  std::string cluster_secret_file;  // empty: none

  bool operator==(const SavedContext&) const = default;
};

struct SavedContexts {
  std::string current;  // the one in use; empty: none
  std::map<std::string, SavedContext> contexts;

  bool operator==(const SavedContexts&) const = default;
};

// kInvalidArgument unless `name` is 1 to 64 letters, digits, _ and -.
absl::Status CheckContextName(std::string_view name);

// The content of a file, named `file` in errors. kInvalidArgument with every mistake, one per line:
// "FILE:LINE: sentence". Pure.
absl::StatusOr<SavedContexts> ParseContexts(std::string_view file, std::string_view content);

// The text that ParseContexts turns into `contexts`. Pure.
std::string FormatContexts(const SavedContexts& contexts);

// The file, on disk. Thread-safe.
class ContextFile {
 public:
  // Both borrowed or copied; an empty directory means that the user has none.
  ContextFile(FileSystem* files, const std::string& directory);

  const std::string& path() const { return path_; }

  // What is saved; nothing when there is no file.
  absl::StatusOr<SavedContexts> Load() const;

  // Changes what is saved by `change`, whose error leaves everything as it is. The file is replaced
  // as a whole, and another process that is changing it is an error (kFailedPrecondition).
  absl::Status Change(const std::function<absl::Status(SavedContexts&)>& change) const;

 private:
  FileSystem* const files_;
  const std::string directory_;
  const std::string path_;
};

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_SAVED_CONTEXTS_H_
