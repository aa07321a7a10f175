#ifndef MANSIO_BROKER_METADATA_TOPIC_H_
#define MANSIO_BROKER_METADATA_TOPIC_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "broker/metadata/records.h"
#include "broker/metadata/topic_counters.h"

namespace mansio::broker {

// A topic as readers see it: immutable but for the rotation of its writers, its backlog and what is
// counted.
struct Topic : TopicRecord {
  explicit Topic(TopicRecord r) : TopicRecord(std::move(r)) {}
  mutable std::atomic<uint32_t> next_queue{0};  // round-robin of sends without a message group
  // Of the slowest group; kept where there is a limit (broker/consumption/backlogs.h).
  mutable std::atomic<uint64_t> backlog_now{0};
  // While it is drained: whether its groups have finished what is here (broker/placement/).
  mutable std::atomic<bool> finished{false};
  std::shared_ptr<TopicCounters> counters = std::make_shared<TopicCounters>();

  bool IsFinished() const { return draining && finished.load(std::memory_order_relaxed); }
  // The broker that a message group belongs to; "" where each takes what is sent to it.
  std::string OwnerOf(std::string_view message_group) const;
};
using TopicPtr = std::shared_ptr<const Topic>;

// What of a topic's settings is to change; the rest stays.
struct TopicChange {
  std::optional<int64_t> ttl_ms;  // 0: none
  std::optional<bool> expired_to_dead_letters;
  std::optional<bool> priority_guard;
  std::optional<uint64_t> max_backlog;  // 0: none
  std::optional<Overflow> overflow;
  std::optional<int64_t> first_check_ms;  // these three: 0 is the broker's default
  std::optional<int64_t> check_interval_ms;
  std::optional<uint32_t> max_checks;
  std::optional<bool> draining;
  std::optional<std::vector<std::string>> brokers;  // topics with message groups only
};

// The topic with the change made.
TopicRecord Changed(TopicRecord topic, const TopicChange& change);
// BAD_REQUEST (wire status) for settings that a topic of its type cannot have.
absl::Status CheckSettings(const TopicRecord& topic);
// OK where a topic that is there is as it is wanted, but for id and time; else PRECONDITION_FAILED
// with all that differs, and the cure.
absl::Status CheckSameTopic(const TopicRecord& is, const TopicRecord& wanted);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_METADATA_TOPIC_H_
