#ifndef MANSIO_BROKER_PROMOTION_KEPT_ROLE_H_
#define MANSIO_BROKER_PROMOTION_KEPT_ROLE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/server/broker_config.h"
#include "common/config/host_port.h"
#include "common/sync/sync.h"
#include "store/options.h"
#include "store/types.h"

namespace mansio {
class FileSystem;
}

namespace mansio::broker {

// What a broker is in its group.
struct RoleSetting {
  store::Role role = store::Role::kMaster;
  HostPort master = {};  // a slave's

  bool operator==(const RoleSetting&) const = default;
  // "master" or "slave of 10.0.0.1:8081".
  std::string ToString() const;
};

// The role that a command gave to a member of a group, in the file ROLE of its store directory
// (docs/formats/role.md). It holds until the configuration says something else than it said then:
// what an operator has written last applies. Thread-safe.
class KeptRole {
 public:
  // `files` is borrowed. `config`: as the operator has written it.
  KeptRole(FileSystem* files, const BrokerConfig& config);

  // The configuration with the role that applies and NoteEpoch's; logs which one where they differ.
  // A file that has been overtaken is removed. DataLoss for a damaged file, FailedPrecondition for
  // one of a newer version: nobody may guess who is master.
  absl::StatusOr<BrokerConfig> Apply(BrokerConfig config);
  // From the next Apply on. On the disk when it returns.
  absl::Status Keep(const RoleSetting& role);
  // The greatest epoch that the group is known to have begun, for a master's next one
  // (StoreOptions::known_epoch). For the life of the process: once it has begun, the log has it.
  void NoteEpoch(store::Epoch epoch);

 private:
  FileSystem* const files_;
  const std::string path_;
  const RoleSetting configured_;
  Mutex mutex_;  // of the file, too
  store::Epoch known_epoch_ ABSL_GUARDED_BY(mutex_) = 0;
};

// The file's content, and its inverse with the errors of KeptRole::Apply; `path` is for the text.
struct RoleFile {
  RoleSetting role;
  RoleSetting configured;  // when the command was given
};
std::string EncodeRoleFile(const RoleFile& file);
absl::StatusOr<RoleFile> DecodeRoleFile(std::string_view content, const std::string& path);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_PROMOTION_KEPT_ROLE_H_
