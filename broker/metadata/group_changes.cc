// What can be changed of consumer groups: created, at their first use too, altered, paused,
// deleted.

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "broker/core/codec.h"
#include "broker/metadata/metadata.h"
#include "common/clock/broker_time.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

absl::Status Metadata::CheckRoomForGroup() const {
  if (groups_.size() + groups_.claims() < limits_.groups) return absl::OkStatus();
  return WireError(v2::TOO_MANY_REQUESTS,
                   fmt::format("this broker holds its limit of {} consumer groups; delete some or "
                               "raise limits.groups",
                               limits_.groups));
}

void Metadata::EnsureGroup(std::string_view name, Done<GroupPtr> done) {
  if (GroupPtr group = FindGroup(name)) return done(std::move(group));
  if (!group_elsewhere_)
    return EnsureGroup(GroupRecord{.name = std::string(name)}, std::move(done));
  group_elsewhere_(name, [this, name = std::string(name), done = std::move(done)](
                             absl::StatusOr<std::optional<GroupRecord>> elsewhere) mutable {
    if (!elsewhere.ok()) return done(elsewhere.status());
    GroupRecord wanted = elsewhere->value_or(GroupRecord{});
    wanted.name = std::move(name);
    EnsureGroup(std::move(wanted), std::move(done));
  });
}

void Metadata::EnsureGroup(GroupRecord elsewhere, Done<GroupPtr> done) {
  if (GroupPtr group = FindGroup(elsewhere.name)) return done(std::move(group));
  std::string name = elsewhere.name;
  CreateGroup(std::move(elsewhere), [this, name = std::move(name), done = std::move(done)](
                                        absl::StatusOr<GroupPtr> group) mutable {
    // Created meanwhile by someone with other settings: theirs are the group's.
    if (!group.ok()) {
      if (GroupPtr existing = FindGroup(name)) return done(std::move(existing));
    }
    done(std::move(group));
  });
}

void Metadata::CreateGroup(GroupRecord wanted, Done<GroupPtr> done) {
  if (absl::Status status = names::ValidateConsumerGroup(wanted.name); !status.ok()) {
    return done(status);
  }
  if (absl::Status status = CheckPolicy(wanted); !status.ok()) return done(status);
  if (wanted.created_ms == 0) wanted.created_ms = time_->NowMillis();
  const std::string name = wanted.name;
  ChangeGroup(
      name,
      [this, wanted = std::move(wanted)](const GroupPtr& present) mutable -> Verdict<GroupPtr> {
        mutex_.AssertHeld();
        if (present != nullptr) {
          absl::Status same = CheckSameGroup(*present, wanted);
          return same.ok() ? absl::StatusOr<GroupPtr>(present) : same;
        }
        if (absl::Status room = CheckRoomForGroup(); !room.ok()) return room;
        wanted.id = groups_.NewId();
        return ToLog<GroupPtr>{kGroupRecord, wanted.Encode(), wanted.id};
      },
      std::move(done));
}

void Metadata::AlterGroup(std::string_view name, GroupChange change, Done<GroupPtr> done) {
  ChangeGroup(
      name,
      [change = std::move(change)](const GroupPtr& present) mutable -> Verdict<GroupPtr> {
        if (present == nullptr) return NoSuchEntry();
        const GroupRecord changed = Changed(*present, std::move(change));
        if (absl::Status status = CheckPolicy(changed); !status.ok()) return status;
        return ToLog<GroupPtr>{kGroupRecord, changed.Encode(), changed.id};
      },
      std::move(done));
}

void Metadata::DeleteGroup(std::string_view name, Done<GroupPtr> done) {
  ChangeGroup(
      name,
      [](const GroupPtr& present) -> Verdict<GroupPtr> {
        if (present == nullptr) return NoSuchEntry();
        return ToLog<GroupPtr>{kGroupDeletedRecord, ByteWriter().Varint(present->id).Take(),
                               present->id, present};
      },
      std::move(done));
}

void Metadata::SetPaused(std::string_view name, bool paused, Done<GroupPtr> done) {
  ChangeGroup(
      name,
      [paused](const GroupPtr& present) -> Verdict<GroupPtr> {
        if (present == nullptr) return NoSuchEntry();
        if (present->paused == paused) return present;
        return ToLog<GroupPtr>{kGroupPausedRecord, GroupPausedRecord{present->id, paused}.Encode(),
                               present->id};
      },
      std::move(done));
}

}  // namespace mansio::broker
