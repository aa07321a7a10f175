#include "broker/promotion/kept_role.h"

#include <fmt/format.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "common/crc/crc32c.h"
#include "common/files/file_system.h"
#include "common/logging/logging.h"

namespace mansio::broker {
namespace {

constexpr size_t kMaxFileBytes = 4096;
constexpr int kVersion = 1;

RoleSetting SettingOf(const BrokerConfig& config) {
  return {config.store.role, config.store.role == store::Role::kSlave ? config.master : HostPort()};
}

std::string SettingLine(const RoleSetting& setting) {
  if (setting.role == store::Role::kMaster) return "master";
  return fmt::format("slave {}", setting.master.ToString());
}

bool ParseSetting(const std::vector<std::string>& words, RoleSetting* setting) {
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

std::string CrcLine(std::string_view text) { return fmt::format("crc {:08x}\n", Crc32c(text)); }

absl::Status Damaged(const std::string& path) {
  return absl::DataLossError(
      fmt::format("{} is damaged, and says by which command this broker got its role: find out who "
                  "the master of its group is, set role and replication.master so, and remove it",
                  path));
}

}  // namespace

std::string RoleSetting::ToString() const {
  return role == store::Role::kMaster ? "master" : fmt::format("slave of {}", master.ToString());
}

std::string EncodeRoleFile(const RoleFile& file) {
  const std::string text = fmt::format("mansio role {}\nrole {}\nconfigured {}\n", kVersion,
                                       SettingLine(file.role), SettingLine(file.configured));
  return text + CrcLine(text);
}

absl::StatusOr<RoleFile> DecodeRoleFile(std::string_view content, const std::string& path) {
  const std::vector<std::string> lines = absl::StrSplit(std::string(content), '\n');
  const std::vector<std::string> head = absl::StrSplit(lines[0], ' ');
  int version = 0;
  if (head.size() != 3 || head[0] != "mansio" || head[1] != "role" ||
      !absl::SimpleAtoi(head[2], &version)) {
    return Damaged(path);
  }
  if (version != kVersion) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is of version {}, and this program knows version {} only: start the version that wrote "
        "it, or set role and replication.master as they are to be and remove it",
        path, version, kVersion));
  }
  const size_t crc_at = content.rfind("crc ");
  if (crc_at == std::string_view::npos ||
      content.substr(crc_at) != CrcLine(content.substr(0, crc_at))) {
    return Damaged(path);
  }
  RoleFile file;
  const std::vector<std::string> role = absl::StrSplit(lines.size() > 1 ? lines[1] : "", ' ');
  const std::vector<std::string> configured = absl::StrSplit(lines.size() > 2 ? lines[2] : "", ' ');
  if (role[0] != "role" || !ParseSetting(role, &file.role) || configured[0] != "configured" ||
      !ParseSetting(configured, &file.configured)) {
    return Damaged(path);
  }
  return file;
}

KeptRole::KeptRole(FileSystem* files, const BrokerConfig& config)
    : files_(files),
      directory_(config.store.path),
      path_(JoinPath(config.store.path, "ROLE")),
      configured_(SettingOf(config)) {}

absl::StatusOr<BrokerConfig> KeptRole::Apply(const BrokerConfig& config) {
  const MutexLock lock(&mutex_);
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
    if (absl::Status removed = Remove(); !removed.ok()) return removed;
    return config;
  }
  LOG_WARNING(
      "A command has made this broker {}: that applies, and not {}, as the configuration says",
      file->role.ToString(), configured_.ToString());
  BrokerConfig applied = config;
  applied.store.role = file->role.role;
  applied.master = file->role.master;
  return applied;
}

absl::Status KeptRole::Keep(const RoleSetting& role) {
  const MutexLock lock(&mutex_);
  if (role != configured_) {
    return ReplaceFile(*files_, path_, EncodeRoleFile({role, configured_}));
  }
  const absl::StatusOr<bool> exists = files_->Exists(path_);
  if (!exists.ok()) return exists.status();
  return *exists ? Remove() : absl::OkStatus();
}

absl::Status KeptRole::Remove() {
  if (absl::Status removed = files_->Remove(path_); !removed.ok()) return removed;
  return files_->SyncDirectory(directory_);
}

}  // namespace mansio::broker
