#ifndef MANSIO_COMMON_CONFIG_LOADER_H_
#define MANSIO_COMMON_CONFIG_LOADER_H_

// From YAML text and command-line overrides to one value per key. Schema (schema.h) wraps this for
// a typed struct; nothing here knows the struct.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "common/config/value.h"
#include "common/files/file_system.h"

namespace mansio::config {

inline constexpr size_t kMaxConfigFileBytes = 1 << 20;

// One setting as it stands in a YAML file.
struct Setting {
  std::string name;       // dotted, from nested maps or written so
  std::string text;       // a scalar, or the items of a list with commas between them
  int line = 0;           // from 1
  bool is_empty = false;  // null, {} or []
  bool is_list = false;
};

// Reads YAML into settings. Only maps, scalars and lists of scalars occur; everything else
// (aliases, anchors, several documents, lists of maps) and broken YAML is put into `errors` as
// "file:line: sentence". Never throws.
std::vector<Setting> ReadYaml(std::string_view file, std::string_view content,
                              std::vector<std::string>* errors);

// One value per key, and where each was set: "broker.yaml:12" or "--set role"; empty for a default.
struct LoadedValues {
  std::vector<Value> values;
  std::vector<std::string> origins;
};

// In the order of `keys`: the default, or what the file says, or what an override "key=value" says,
// the last one counting. InvalidArgument with every error found, one per line. `file` names the
// content in errors.
absl::StatusOr<LoadedValues> LoadValues(absl::Span<const Key> keys, std::string_view file,
                                        std::string_view content,
                                        absl::Span<const std::string> overrides);

// A new value for one of the keys.
struct Change {
  size_t index = 0;
  Value value;
};

// The change of a key while the process runs. NotFound for an unknown key, FailedPrecondition for
// one that changes at the next start, InvalidArgument for a value that it does not accept; each a
// sentence that names the key.
absl::StatusOr<Change> ParseChange(absl::Span<const Key> keys, std::string_view name,
                                   std::string_view text);

// Which of `keys` has this name; NotFound, with the one that was probably meant, when none has.
absl::StatusOr<size_t> FindKey(absl::Span<const Key> keys, std::string_view name);

// The content of a configuration file: "" for an empty path. Errors say how to name another file.
absl::StatusOr<std::string> ReadConfigFile(FileSystem& files, std::string_view path);

// The names of `keys` that `content` does not set, for tests of ready configuration files.
std::vector<std::string> UnlistedKeys(absl::Span<const Key> keys, std::string_view content);

}  // namespace mansio::config

#endif  // MANSIO_COMMON_CONFIG_LOADER_H_
