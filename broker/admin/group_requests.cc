#include "broker/admin/group_requests.h"

#include <fmt/format.h>

#include <utility>

#include "broker/core/timestamps.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

absl::Status CheckStart(v1::StartPolicy start) {
  if (v1::StartPolicy_IsValid(start)) return absl::OkStatus();
  return WireError(v2::BAD_REQUEST,
                   fmt::format("start policy number {} is not known; use earliest or latest",
                               static_cast<int>(start)));
}

absl::StatusOr<uint32_t> AttemptsFrom(int32_t attempts) {
  if (attempts > 0) return static_cast<uint32_t>(attempts);
  return WireError(v2::BAD_REQUEST,
                   fmt::format("a message cannot have {} attempts; give 1 or more", attempts));
}

}  // namespace

absl::StatusOr<GroupRecord> GroupFrom(const v1::GroupInfo& info) {
  GroupRecord group;
  if (absl::Status s = CheckStart(info.start()); !s.ok()) return s;
  if (info.max_attempts() != 0) {
    const absl::StatusOr<uint32_t> attempts = AttemptsFrom(info.max_attempts());
    if (!attempts.ok()) return attempts.status();
    group.max_attempts = *attempts;
  }
  if (auto backoff = BackoffFromWire(info.backoff())) group.backoff = *std::move(backoff);
  group.name = info.name();
  group.fifo = info.fifo();
  group.start = static_cast<StartPolicy>(info.start());
  group.broadcast = info.broadcast();
  return group;
}

absl::StatusOr<GroupRecord> GroupElsewhereFrom(const v1::GroupInfo& info) {
  absl::StatusOr<GroupRecord> group = GroupFrom(info);
  if (!group.ok()) return group;
  group->paused = info.paused();
  if (IsTime(info.created())) group->created_ms = MillisOf(info.created());
  return group;
}

absl::StatusOr<GroupChange> GroupChangeFrom(const v1::AlterGroupRequest& request) {
  GroupChange change;
  if (request.has_max_attempts()) {
    const absl::StatusOr<uint32_t> attempts = AttemptsFrom(request.max_attempts());
    if (!attempts.ok()) return attempts.status();
    change.max_attempts = *attempts;
  }
  change.backoff = BackoffFromWire(request.backoff());
  if (request.has_start()) {
    if (absl::Status s = CheckStart(request.start()); !s.ok()) return s;
    change.start = static_cast<StartPolicy>(request.start());
  }
  return change;
}

absl::StatusOr<ResetPoint> ResetPointFrom(const v1::ResetGroupRequest& request) {
  switch (request.to_case()) {
    case v1::ResetGroupRequest::kEdge:
      if (request.edge() == v1::START_POLICY_EARLIEST) return ResetPoint{};
      if (request.edge() == v1::START_POLICY_LATEST) {
        return ResetPoint{ResetPoint::Kind::kLatest, 0};
      }
      break;
    case v1::ResetGroupRequest::kTime: {
      if (!IsTime(request.time())) {
        return WireError(v2::BAD_REQUEST,
                         "the time to go to is not valid; give one from 1970 to 9999");
      }
      // Rounded up: a message of the same millisecond may be older than the time.
      return ResetPoint{ResetPoint::Kind::kTime, MillisFrom(request.time())};
    }
    case v1::ResetGroupRequest::kOffset:
      if (request.offset() >= 0) return ResetPoint{ResetPoint::Kind::kOffset, request.offset()};
      return WireError(
          v2::ILLEGAL_OFFSET,
          fmt::format("offset {} is negative; offsets count from 0", request.offset()));
    default:
      break;
  }
  return WireError(
      v2::BAD_REQUEST,
      "the reset does not say where to go; name earliest, latest, a time or an offset");
}

}  // namespace mansio::broker
