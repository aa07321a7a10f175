#include "common/config/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "common/names/edit_distance.h"
#include "common/names/utf8.h"

namespace mansio::config {
namespace {

std::string_view LastPart(std::string_view name) { return name.substr(name.rfind('.') + 1); }

// The key that was probably meant, if one is near.
const Key* Nearest(absl::Span<const Key> keys, std::string_view name) {
  name = name.substr(0, 100);
  const Key* nearest = nullptr;
  size_t least = MostEditsOfAMistake(name) + 1;
  for (const Key& key : keys) {
    size_t distance = EditDistance(key.name, name);
    if (LastPart(key.name) == LastPart(name)) distance = std::min<size_t>(distance, 1);
    if (distance < least) {
      least = distance;
      nearest = &key;
    }
  }
  return nearest;
}

// The first key below `name`; null when it is not the beginning of any.
const Key* FirstBelow(absl::Span<const Key> keys, std::string_view name) {
  const std::string prefix = fmt::format("{}.", name);
  const auto first = std::find_if(keys.begin(), keys.end(),
                                  [&](const Key& key) { return key.name.starts_with(prefix); });
  return first == keys.end() ? nullptr : &*first;
}

std::string UnknownKey(absl::Span<const Key> keys, std::string_view name) {
  if (const Key* below = FirstBelow(keys, name); below != nullptr) {
    return fmt::format(
        "'{0}' is not a key but the beginning of some, such as {1}; `mansio config "
        "explain {0}` lists them",
        EscapeForLog(name), below->name);
  }
  const Key* nearest = Nearest(keys, name);
  const std::string hint =
      nearest == nullptr
          ? "`mansio config explain` lists all keys"
          : fmt::format("did you mean {}? (`mansio config explain` lists all keys)", nearest->name);
  return fmt::format("unknown key '{}'; {}", EscapeForLog(name), hint);
}

class Loader {
 public:
  explicit Loader(absl::Span<const Key> keys) : keys_(keys) {
    for (const Key& key : keys) {
      index_.emplace(key.name, loaded_.values.size());
      loaded_.values.push_back(key.default_value);
    }
    loaded_.origins.resize(keys.size());
  }

  void ReadFile(std::string_view file, std::string_view content) {
    std::map<std::string, int> first_lines;
    for (const Setting& setting : ReadYaml(file, content, &errors_)) {
      const std::string where = fmt::format("{}:{}", file, setting.line);
      // "store:" with everything below it commented out.
      if (setting.is_empty && FirstBelow(keys_, setting.name) != nullptr) continue;
      const auto [first, is_new] = first_lines.emplace(setting.name, setting.line);
      if (!is_new) {
        errors_.push_back(fmt::format("{}: {} is set twice, first in line {}; remove one", where,
                                      EscapeForLog(setting.name), first->second));
      } else if (setting.is_list && !TakesList(setting.name)) {
        errors_.push_back(
            fmt::format("{}: {} takes one value, not a list", where, EscapeForLog(setting.name)));
      } else {
        Set(where, fmt::format("{}: {}", where, EscapeForLog(setting.name)), setting.name,
            setting.text);
      }
    }
  }

  void Override(std::string_view text) {
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      errors_.push_back(
          fmt::format("--set {}: it must have the form key=value", EscapeForLog(text)));
      return;
    }
    const std::string_view name = text.substr(0, equals);
    const std::string where = fmt::format("--set {}", EscapeForLog(name));
    Set(where, where, name, text.substr(equals + 1));
  }

  absl::StatusOr<LoadedValues> Take() {
    if (errors_.empty()) return std::move(loaded_);
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(errors_, "\n")));
  }

 private:
  // Also true for an unknown key, which has an error of its own.
  bool TakesList(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() || keys_[found->second].type == ValueType::kHostPorts;
  }

  // `where` begins the error for an unknown key, `key` the one for a bad value.
  void Set(std::string_view where, std::string_view key, std::string_view name,
           std::string_view text) {
    const auto found = index_.find(std::string(name));
    if (found == index_.end()) {
      errors_.push_back(fmt::format("{}: {}", where, UnknownKey(keys_, name)));
      return;
    }
    absl::StatusOr<Value> value = ParseValue(keys_[found->second], text);
    if (value.ok()) {
      loaded_.values[found->second] = *std::move(value);
      loaded_.origins[found->second] = where;
    } else {
      const absl::string_view reason = value.status().message();
      errors_.push_back(fmt::format("{}: {}", key, std::string_view(reason.data(), reason.size())));
    }
  }

  const absl::Span<const Key> keys_;
  std::map<std::string, size_t> index_;
  LoadedValues loaded_;
  std::vector<std::string> errors_;
};

}  // namespace

absl::StatusOr<LoadedValues> LoadValues(absl::Span<const Key> keys, std::string_view file,
                                        std::string_view content,
                                        absl::Span<const std::string> overrides) {
  Loader loader(keys);
  loader.ReadFile(file, content);
  for (const std::string& text : overrides) loader.Override(text);
  return loader.Take();
}

absl::StatusOr<size_t> FindKey(absl::Span<const Key> keys, std::string_view name) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].name == name) return i;
  }
  return absl::NotFoundError(UnknownKey(keys, name));
}

absl::StatusOr<Change> ParseChange(absl::Span<const Key> keys, std::string_view name,
                                   std::string_view text) {
  const absl::StatusOr<size_t> index = FindKey(keys, name);
  if (!index.ok()) return index.status();
  const Key& key = keys[*index];
  if (!key.run_time) {
    return absl::FailedPreconditionError(
        fmt::format("{} changes at the next start only: write it into the configuration file and "
                    "start the process again",
                    key.name));
  }
  absl::StatusOr<Value> value = ParseValue(key, text);
  if (value.ok()) return Change{*index, *std::move(value)};
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", key.name, std::string(value.status().message())));
}

absl::StatusOr<std::string> ReadConfigFile(FileSystem& files, std::string_view path) {
  if (path.empty()) return "";
  auto content = ReadWholeFile(files, path, kMaxConfigFileBytes);
  if (content.ok()) return content;
  const std::string_view reason(content.status().message().data(),
                                content.status().message().size());
  return absl::Status(content.status().code(), fmt::format("--config {}: {}", path, reason));
}

std::vector<std::string> UnlistedKeys(absl::Span<const Key> keys, std::string_view content) {
  std::vector<std::string> errors;
  std::set<std::string> listed;
  for (Setting& setting : ReadYaml("", content, &errors)) listed.insert(std::move(setting.name));
  std::vector<std::string> unlisted;
  for (const Key& key : keys) {
    if (!listed.contains(key.name)) unlisted.push_back(key.name);
  }
  return unlisted;
}

}  // namespace mansio::config
