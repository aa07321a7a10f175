#include "broker/metadata/topic.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/gateway/group_owner.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

constexpr int64_t kMaxTtlMs = 3650ll * 24 * 3600 * 1000;

// In what a topic differs from what was asked for, each as "8 queues, not 4"; nothing when it does
// not.
std::vector<std::string> Differences(const TopicRecord& is, const TopicRecord& wanted) {
  std::vector<std::string> found;
  if (is.type != wanted.type) {
    found.push_back(fmt::format("type {}, not {}", NameOf(is.type), NameOf(wanted.type)));
  }
  if (is.queues != wanted.queues) {
    found.push_back(fmt::format("{} queues, not {}", is.queues, wanted.queues));
  }
  const auto other = [&found](bool differs, const char* options) {
    if (differs) found.push_back(fmt::format("another {}", options));
  };
  other(is.check_back != wanted.check_back, "--first-check, --check-interval or --max-checks");
  other(is.expiry.ttl_ms != wanted.expiry.ttl_ms, "--ttl");
  other(is.expiry.dead_letter != wanted.expiry.dead_letter, "--expired");
  other(is.priority_guard != wanted.priority_guard, "--priority-guard");
  other(is.backlog.max != wanted.backlog.max, "--max-backlog");
  other(is.backlog.overflow != wanted.backlog.overflow, "--overflow");
  if (is.brokers != wanted.brokers) {
    found.push_back(fmt::format("message groups divided between brokers {}, not {}",
                                fmt::join(is.brokers, ","), fmt::join(wanted.brokers, ",")));
  }
  return found;
}

}  // namespace

std::string Topic::OwnerOf(std::string_view message_group) const {
  if (brokers.empty()) return {};
  const auto itself = [](const std::string& broker) -> std::string_view { return broker; };
  return brokers[gateway::BrokerOfGroup(message_group, brokers, itself)];
}

TopicRecord Changed(TopicRecord topic, const TopicChange& change) {
  if (change.first_check_ms) topic.check_back.first_check_ms = *change.first_check_ms;
  if (change.check_interval_ms) topic.check_back.interval_ms = *change.check_interval_ms;
  if (change.max_checks) topic.check_back.max_checks = *change.max_checks;
  if (change.max_backlog) topic.backlog.max = *change.max_backlog;
  if (change.overflow) topic.backlog.overflow = *change.overflow;
  if (change.ttl_ms) topic.expiry.ttl_ms = *change.ttl_ms;
  if (change.expired_to_dead_letters) topic.expiry.dead_letter = *change.expired_to_dead_letters;
  if (change.priority_guard) topic.priority_guard = *change.priority_guard;
  if (change.draining) topic.draining = *change.draining;
  if (change.brokers) topic.brokers = *change.brokers;
  return topic;
}

absl::Status CheckSettings(const TopicRecord& topic) {
  if (topic.expiry.ttl_ms < 0 || topic.expiry.ttl_ms > kMaxTtlMs) {
    return WireError(v2::BAD_REQUEST,
                     "the ttl of a topic lies between 1 ms and 3,650 days; 0 is none");
  }
  if (topic.check_back != CheckBackPolicy() && !Takes(topic.type, MessageType::kTransaction)) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("check-back settings belong to topics that take TRANSACTION "
                                 "messages, {} is of type {}; leave them out",
                                 topic.name, NameOf(topic.type)));
  }
  if (topic.priority_guard && topic.type != MessageType::kPriority) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the priority guard belongs to topics of type PRIORITY, {} is of "
                                 "type {}; leave it out",
                                 topic.name, NameOf(topic.type)));
  }
  if (!topic.brokers.empty() && !Takes(topic.type, MessageType::kFifo)) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("message groups are divided between brokers where a topic takes "
                                 "FIFO messages, and {} is of type {}; leave it out",
                                 topic.name, NameOf(topic.type)));
  }
  return absl::OkStatus();
}

absl::Status CheckSameTopic(const TopicRecord& is, const TopicRecord& wanted) {
  const std::vector<std::string> differences = Differences(is, wanted);
  if (differences.empty()) return absl::OkStatus();
  const bool alterable = is.type == wanted.type && is.queues == wanted.queues;
  return WireError(
      v2::PRECONDITION_FAILED,
      fmt::format("topic {} exists already with {}; {}", is.name, fmt::join(differences, ", "),
                  alterable ? fmt::format("change that with `mansio topic alter {}`", is.name)
                            : "type and queues cannot be changed: delete it first, "
                              "or take another name"));
}

}  // namespace mansio::broker
