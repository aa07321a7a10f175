#include "broker/promotion/kept_role.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "common/files/file_system.h"
#include "common/files/sealed_text.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr size_t kMaxFileBytes = 4096;
constexpr SealedText kRoleText = {
    .name = "role",
    .damaged =
        "says by which command this broker got its role: find out who the master of its "
        "group is, set role and replication.master so, and remove it",
    .unknown =
        "start the version that wrote it, or set role and replication.master as they are to "
        "be and remove it"};

RoleSetting SettingOf(const BrokerConfig& config) {
  return {config.store.role, config.store.role == store::Role::kSlave ? config.master : HostPort()};
}

std::string SettingLine(const RoleSetting& setting) {
  if (setting.role == store::Role::kMaster) return "master";
  return fmt::format("slave {}", setting.master.ToString());
}

// A line "KEY master" or "KEY slave HOST:PORT".
bool ParseSetting(std::string_view key, const std::string& line, RoleSetting* setting) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words[0] != key) return false;
  if (words.size() == 2 && words[1] == "master") {
    *setting = {};
    return true;
  }
  if (words.size() != 3 || words[1] != "slave") return false;
  const absl::StatusOr<HostPort> master = ParseHostPort(words[2]);
  if (!master.ok()) return false;
  *setting = {store::Role::kSlave, *master};
  return true;
}

}  // namespace

std::string RoleSetting::ToString() const {
  return role == store::Role::kMaster ? "master" : fmt::format("slave of {}", master.ToString());
}

std::string EncodeRoleFile(const RoleFile& file) {
  return kRoleText.Seal(fmt::format("role {}\nconfigured {}\n", SettingLine(file.role),
                                    SettingLine(file.configured)));
}

absl::StatusOr<RoleFile> DecodeRoleFile(std::string_view content, const std::string& path) {
  const absl::StatusOr<std::vector<std::string>> lines = kRoleText.Open(content, path);
  if (!lines.ok()) return lines.status();
  RoleFile file;
  if (lines->size() != 2 || !ParseSetting("role", (*lines)[0], &file.role) ||
      !ParseSetting("configured", (*lines)[1], &file.configured)) {
    return kRoleText.Damaged(path);
  }
  return file;
}

KeptRole::KeptRole(FileSystem* files, const BrokerConfig& config)
    : files_(files), path_(JoinPath(config.store.path, "ROLE")), configured_(SettingOf(config)) {}

absl::StatusOr<BrokerConfig> KeptRole::Apply(BrokerConfig config) {
  const MutexLock lock(&mutex_);
  config.store.known_epoch = known_epoch_;
  const absl::StatusOr<bool> exists = files_->Exists(path_);
  if (!exists.ok()) return exists.status();
  if (!*exists) return config;
  const absl::StatusOr<std::string> content = ReadWholeFile(*files_, path_, kMaxFileBytes);
  if (!content.ok()) return content.status();
  const absl::StatusOr<RoleFile> file = DecodeRoleFile(*content, path_);
  if (!file.ok()) return file.status();
  if (file->configured != configured_) {
    LOG_WARNING(
        "The configuration says {} and said {} when a command made this broker {}: the "
        "configuration, which has changed since, applies",
        configured_.ToString(), file->configured.ToString(), file->role.ToString());
    if (absl::Status removed = RemoveFile(*files_, path_); !removed.ok()) return removed;
    return config;
  }
  LOG_WARNING(
      "A command has made this broker {}: that applies, and not {}, as the configuration says",
      file->role.ToString(), configured_.ToString());
  config.store.role = file->role.role;
  config.master = file->role.master;
  return config;
}

absl::Status KeptRole::Keep(const RoleSetting& role) {
  const MutexLock lock(&mutex_);
  if (role != configured_) {
    return ReplaceFile(*files_, path_, EncodeRoleFile({role, configured_}));
  }
  const absl::StatusOr<bool> exists = files_->Exists(path_);
  if (!exists.ok()) return exists.status();
  return *exists ? RemoveFile(*files_, path_) : absl::OkStatus();
}

void KeptRole::NoteEpoch(store::Epoch epoch) {
  const MutexLock lock(&mutex_);
  known_epoch_ = std::max(known_epoch_, epoch);
}

}  // namespace mansio::broker
