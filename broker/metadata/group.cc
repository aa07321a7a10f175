#include "broker/metadata/group.h"

#include <fmt/format.h>

#include <utility>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr uint32_t kMaxAttemptsLimit = 10000;

bool SameSettings(const GroupRecord& a, const GroupRecord& b) {
  return a.fifo == b.fifo && a.max_attempts == b.max_attempts && a.start == b.start &&
         a.backoff == b.backoff && a.broadcast == b.broadcast;
}

}  // namespace

GroupRecord Changed(GroupRecord group, GroupChange change) {
  if (change.max_attempts) group.max_attempts = *change.max_attempts;
  if (change.backoff) group.backoff = *std::move(change.backoff);
  if (change.start) group.start = *change.start;
  return group;
}

absl::Status CheckPolicy(const GroupRecord& group) {
  if (group.max_attempts < 1 || group.max_attempts > kMaxAttemptsLimit) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the attempts of a group must be between 1 and {}, {} were asked "
                                 "for",
                                 kMaxAttemptsLimit, group.max_attempts));
  }
  return ValidateBackoff(group.backoff);
}

absl::Status CheckSameGroup(const GroupRecord& is, const GroupRecord& wanted) {
  if (SameSettings(is, wanted)) return absl::OkStatus();
  return WireError(
      v2::PRECONDITION_FAILED,
      fmt::format("consumer group {} exists already with other settings; change them with "
                  "`mansio group alter {}`",
                  wanted.name, wanted.name));
}

}  // namespace mansio::broker
