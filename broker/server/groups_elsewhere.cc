#include "broker/server/groups_elsewhere.h"

#include <string>
#include <utility>

#include "broker/admin/group_requests.h"
#include "common/logging/logging.h"
#include "common/names/utf8.h"

namespace mansio::broker {

std::optional<GroupRecord> GroupsElsewhere::Known(std::string_view name) const {
  const std::optional<v1::GroupInfo> info = others_->GroupInfo(name);
  if (!info.has_value()) return std::nullopt;
  absl::StatusOr<GroupRecord> group = GroupElsewhereFrom(*info);
  if (!group.ok()) return std::nullopt;
  return *std::move(group);
}

void GroupsElsewhere::Find(std::string_view name, Metadata::Done<std::optional<GroupRecord>> done) {
  if (std::optional<GroupRecord> group = Known(name)) return done(std::move(group));
  others_->WhenKnown([this, name = std::string(name),
                      done = std::move(done)](const absl::Status& known) mutable {
    if (absl::IsCancelled(known)) return done(absl::UnavailableError(known.message()));
    if (absl::IsResourceExhausted(known)) return done(known);
    std::optional<GroupRecord> group = Known(name);
    if (!known.ok() && !group) {
      LOG_WARNING(
          "Consumer group {} begins here with default settings: {}. If it exists on other brokers "
          "with others, delete it here",
          EscapeForLog(name), std::string(known.message()));
    }
    done(std::move(group));
  });
}

}  // namespace mansio::broker
