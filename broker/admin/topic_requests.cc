#include "broker/admin/topic_requests.h"

#include <fmt/format.h>

#include <string>

#include "broker/core/timestamps.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

// The type a topic is to have, or NOT_IMPLEMENTED for one that comes later.
absl::StatusOr<MessageType> ServedType(const v1::TopicInfo& topic) {
  const v2::MessageType type = topic.message_type();
  if (topic.mixed()) {
    if (type == v2::MESSAGE_TYPE_UNSPECIFIED) return MessageType::kMixed;
    return WireError(v2::BAD_REQUEST,
                     "a topic is of one type or mixed; leave the type of a mixed one out");
  }
  switch (type) {
    case v2::MESSAGE_TYPE_UNSPECIFIED:
    case v2::NORMAL:
      return MessageType::kNormal;
    case v2::FIFO:
      return MessageType::kFifo;
    case v2::TRANSACTION:
      return MessageType::kTransaction;
    case v2::DELAY:
      return MessageType::kDelay;
    case v2::PRIORITY:
      return MessageType::kPriority;
    default:
      break;
  }
  const std::string& name = v2::MessageType_Name(type);
  return WireError(
      v2::NOT_IMPLEMENTED,
      fmt::format("topics of type {} are not served by this version of Mansio; create a "
                  "NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY or mixed topic",
                  name.empty() ? fmt::format("number {}", static_cast<int>(type)) : name));
}

absl::StatusOr<CheckBackPolicy> CheckBackFrom(const v1::CheckBackPolicy& wanted) {
  constexpr int64_t kMaxMs = 24 * 3600 * 1000;
  constexpr int32_t kMaxChecks = 1000;
  CheckBackPolicy policy;
  policy.first_check_ms = MillisOf(wanted.first_check());
  policy.interval_ms = MillisOf(wanted.interval());
  policy.max_checks = static_cast<uint32_t>(wanted.max_checks());
  if (policy.first_check_ms < 0 || policy.first_check_ms > kMaxMs || policy.interval_ms < 0 ||
      policy.interval_ms > kMaxMs || wanted.max_checks() < 0 || wanted.max_checks() > kMaxChecks) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the time to the first check and between checks can be at most "
                                 "24 hours, the checks at most {}",
                                 kMaxChecks));
  }
  return policy;
}

absl::StatusOr<int64_t> TtlFrom(const google::protobuf::Duration& ttl) {
  if (IsLength(ttl)) return MillisFrom(ttl);
  return WireError(v2::BAD_REQUEST, "the ttl is negative or not a valid duration; 0 is none");
}

absl::StatusOr<bool> ToDeadLetters(v1::ExpiredPolicy expired) {
  if (v1::ExpiredPolicy_IsValid(expired)) return expired == v1::EXPIRED_POLICY_DEAD_LETTER;
  return WireError(v2::BAD_REQUEST,
                   fmt::format("policy number {} for expired messages is not known; use skip or "
                               "dead-letter",
                               static_cast<int>(expired)));
}

absl::StatusOr<uint64_t> BacklogFrom(int64_t max) {
  if (max >= 0) return static_cast<uint64_t>(max);
  return WireError(v2::BAD_REQUEST,
                   fmt::format("a backlog cannot have {} messages; 0 is no limit", max));
}

absl::StatusOr<Overflow> OverflowFrom(v1::OverflowPolicy policy) {
  switch (policy) {
    case v1::OVERFLOW_POLICY_UNSPECIFIED:
    case v1::OVERFLOW_POLICY_REFUSE:
      return Overflow::kRefuse;
    case v1::OVERFLOW_POLICY_DROP_OLDEST:
      return Overflow::kDropOldest;
    case v1::OVERFLOW_POLICY_DEAD_LETTER:
      return Overflow::kDeadLetter;
    default:
      return WireError(v2::BAD_REQUEST,
                       fmt::format("overflow policy number {} is not known; use refuse, "
                                   "drop-oldest or dead-letter",
                                   static_cast<int>(policy)));
  }
}

}  // namespace

absl::StatusOr<TopicRecord> TopicFrom(const v1::TopicInfo& wanted, uint32_t default_queues) {
  const absl::StatusOr<MessageType> type = ServedType(wanted);
  if (!type.ok()) return type.status();
  if (wanted.permission() != v2::PERMISSION_UNSPECIFIED && wanted.permission() != v2::READ_WRITE) {
    return WireError(v2::NOT_IMPLEMENTED,
                     "topics that can only be read or written are not served by this version of "
                     "Mansio; leave the permission out");
  }
  if (wanted.queues() < 0) {
    return WireError(v2::BAD_REQUEST, fmt::format("a topic cannot have {} queues; leave the number "
                                                  "out for the default",
                                                  wanted.queues()));
  }
  const absl::StatusOr<CheckBackPolicy> check_back = CheckBackFrom(wanted.check_back());
  if (!check_back.ok()) return check_back.status();
  const absl::StatusOr<int64_t> ttl = TtlFrom(wanted.ttl());
  if (!ttl.ok()) return ttl.status();
  const absl::StatusOr<bool> to_dead_letters = ToDeadLetters(wanted.expired());
  if (!to_dead_letters.ok()) return to_dead_letters.status();
  const absl::StatusOr<uint64_t> max_backlog = BacklogFrom(wanted.max_backlog());
  if (!max_backlog.ok()) return max_backlog.status();
  const absl::StatusOr<Overflow> overflow = OverflowFrom(wanted.overflow());
  if (!overflow.ok()) return overflow.status();
  TopicRecord record;
  record.name = wanted.name();
  record.type = *type;
  record.queues = wanted.queues() == 0 ? default_queues : static_cast<uint32_t>(wanted.queues());
  record.check_back = *check_back;
  record.expiry = {*ttl, *to_dead_letters};
  record.priority_guard = wanted.priority_guard();
  record.backlog = {*max_backlog, *overflow};
  record.brokers.assign(wanted.brokers().begin(), wanted.brokers().end());
  record.added = wanted.added();
  return record;
}

absl::StatusOr<TopicChange> TopicChangeFrom(const v1::AlterTopicRequest& request) {
  TopicChange change;
  if (request.has_ttl()) {
    const absl::StatusOr<int64_t> ttl = TtlFrom(request.ttl());
    if (!ttl.ok()) return ttl.status();
    change.ttl_ms = *ttl;
  }
  if (request.has_expired()) {
    const absl::StatusOr<bool> to_dead_letters = ToDeadLetters(request.expired());
    if (!to_dead_letters.ok()) return to_dead_letters.status();
    change.expired_to_dead_letters = *to_dead_letters;
  }
  v1::CheckBackPolicy checks;
  *checks.mutable_first_check() = request.first_check();
  *checks.mutable_interval() = request.check_interval();
  checks.set_max_checks(request.max_checks());
  const absl::StatusOr<CheckBackPolicy> check_back = CheckBackFrom(checks);
  if (!check_back.ok()) return check_back.status();
  if (request.has_first_check()) change.first_check_ms = check_back->first_check_ms;
  if (request.has_check_interval()) change.check_interval_ms = check_back->interval_ms;
  if (request.has_max_checks()) change.max_checks = check_back->max_checks;
  if (request.has_priority_guard()) change.priority_guard = request.priority_guard();
  if (request.has_max_backlog()) {
    const absl::StatusOr<uint64_t> max = BacklogFrom(request.max_backlog());
    if (!max.ok()) return max.status();
    change.max_backlog = *max;
  }
  if (request.has_overflow()) {
    const absl::StatusOr<Overflow> overflow = OverflowFrom(request.overflow());
    if (!overflow.ok()) return overflow.status();
    change.overflow = *overflow;
  }
  if (request.has_draining()) change.draining = request.draining();
  if (request.has_sharing()) {
    const auto& brokers = request.sharing().brokers();
    change.brokers.emplace(brokers.begin(), brokers.end());
  }
  return change;
}

}  // namespace mansio::broker
