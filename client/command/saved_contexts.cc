#include "client/command/saved_contexts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "common/config/loader.h"
#include "common/names/utf8.h"

namespace mansio::command {
namespace {

constexpr size_t kMaxName = 64;

// Puts one line of the file into `contexts`. Returns what is wrong with it; empty: nothing.
std::string Apply(const config::Setting& setting, SavedContexts& contexts) {
  constexpr std::string_view kPrefix = "contexts.";
  if (setting.is_list) return "it takes one value, not a list";
  if (setting.name == "current") {
    contexts.current = setting.is_empty ? "" : setting.text;
    return "";
  }
  if (setting.name == "contexts" && setting.is_empty) return "";
  const size_t dot = setting.name.find('.', kPrefix.size());
  if (!setting.name.starts_with(kPrefix) || dot == std::string::npos) {
    return "only current and contexts.NAME.endpoint, .tls and .cluster-secret-file are known";
  }
  const std::string name = setting.name.substr(kPrefix.size(), dot - kPrefix.size());
  if (const absl::Status status = CheckContextName(name); !status.ok()) {
    return std::string(status.message());
  }
  SavedContext& context = contexts.contexts[name];
  const std::string key = setting.name.substr(dot + 1);
  if (key == "endpoint") {
    context.endpoint = setting.text;
  } else if (key == "cluster-secret-file") {
    context.cluster_secret_file = setting.text;
  } else if (key == "tls" && (setting.text == "true" || setting.text == "false")) {
    context.tls = setting.text == "true";
  } else if (key == "tls") {
    return "it is true or false";
  } else {
    return "a context has endpoint, tls and cluster-secret-file";
  }
  return "";
}

}  // namespace

absl::Status CheckContextName(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxName &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return absl::ascii_isalnum(c) || c == '_' || c == '-';
                    });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("'{}' is not a name for a context: 1 to {} letters, digits, _ and -",
                  EscapeForLog(name, 100), kMaxName));
}

absl::StatusOr<SavedContexts> ParseContexts(std::string_view file, std::string_view content) {
  SavedContexts contexts;
  std::vector<std::string> errors;
  for (const config::Setting& setting : config::ReadYaml(file, content, &errors)) {
    const std::string wrong = Apply(setting, contexts);
    if (wrong.empty()) continue;
    errors.push_back(
        fmt::format("{}:{}: {}: {}", file, setting.line, EscapeForLog(setting.name, 200), wrong));
  }
  for (const auto& [name, context] : contexts.contexts) {
    if (context.endpoint.empty()) {
      errors.push_back(fmt::format("{}: the context {} has no endpoint", file, name));
    }
  }
  if (!contexts.current.empty() && !contexts.contexts.contains(contexts.current)) {
    errors.push_back(fmt::format("{}: current names '{}', which is not among the contexts", file,
                                 EscapeForLog(contexts.current, 100)));
  }
  if (!errors.empty())
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(errors, "\n")));
  return contexts;
}

std::string FormatContexts(const SavedContexts& contexts) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  if (!contexts.current.empty()) out << YAML::Key << "current" << YAML::Value << contexts.current;
  out << YAML::Key << "contexts" << YAML::Value << YAML::BeginMap;
  for (const auto& [name, context] : contexts.contexts) {
    out << YAML::Key << name << YAML::Value << YAML::BeginMap;
    out << YAML::Key << "endpoint" << YAML::Value << YAML::DoubleQuoted << context.endpoint;
    out << YAML::Key << "tls" << YAML::Value << context.tls;
    if (!context.cluster_secret_file.empty()) {
      out << YAML::Key << "cluster-secret-file" << YAML::Value << YAML::DoubleQuoted
          << context.cluster_secret_file;
    }
    out << YAML::EndMap;
  }
  out << YAML::EndMap << YAML::EndMap;
  return fmt::format("# Written by mansio context; can be edited.\n{}\n", out.c_str());
}

ContextFile::ContextFile(FileSystem* files, const std::string& directory)
    : files_(files),
      directory_(directory),
      path_(directory.empty() ? "" : JoinPath(directory, "contexts.yaml")) {}

absl::StatusOr<SavedContexts> ContextFile::Load() const {
  if (path_.empty()) return SavedContexts();
  const absl::StatusOr<std::string> content =
      ReadWholeFile(*files_, path_, config::kMaxConfigFileBytes);
  if (absl::IsNotFound(content.status())) return SavedContexts();
  if (!content.ok()) return content.status();
  return ParseContexts(path_, *content);
}

absl::Status ContextFile::Change(const std::function<absl::Status(SavedContexts&)>& change) const {
  if (path_.empty()) {
    return absl::FailedPreconditionError(
        "contexts are kept in the user's configuration directory; set HOME or XDG_CONFIG_HOME");
  }
  if (absl::Status status = MakeDurableDirectory(*files_, directory_); !status.ok()) return status;
  const auto lock = files_->Lock(JoinPath(directory_, "contexts.lock"));
  if (!lock.ok()) return lock.status();
  absl::StatusOr<SavedContexts> contexts = Load();
  if (!contexts.ok()) return contexts.status();
  if (absl::Status status = change(*contexts); !status.ok()) return status;
  return ReplaceFile(*files_, path_, FormatContexts(*contexts));
}

}  // namespace mansio::command
