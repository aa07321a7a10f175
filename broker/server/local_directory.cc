#include "broker/server/local_directory.h"

#include <utility>

#include "common/names/names.h"

namespace mansio::broker {

LocalDirectory::LocalDirectory(Options options, Metadata* metadata)
    : options_(std::move(options)), metadata_(metadata) {}

absl::StatusOr<gateway::TopicRoute> LocalDirectory::Route(std::string_view topic) const {
  const TopicPtr known = metadata_->FindTopic(topic);
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  if (known != nullptr && known->kind != TopicKind::kRetry) {
    return RouteOf(known->type, known->queues);
  }
  if (names::IsGroupTopic(topic) || !options_.auto_create_topics) return TopicNotFound(topic);
  // A creation that fails is told to the sender, whose send tries it again.
  metadata_->CreateTopic(std::string(topic), MessageType::kNormal, options_.default_queues,
                         [](const absl::StatusOr<TopicPtr>&) {});
  return RouteOf(MessageType::kNormal, options_.default_queues);
}

gateway::TopicRoute LocalDirectory::RouteOf(MessageType type, uint32_t queues) const {
  gateway::TopicRoute route;
  route.mixed = type == MessageType::kMixed;
  if (!route.mixed) route.message_type = static_cast<int>(type);
  route.brokers.push_back({.broker = options_.broker_name,
                           .broker_id = 0,
                           .endpoints = {options_.advertised},
                           .queues = static_cast<int32_t>(queues)});
  return route;
}

gateway::GroupPolicy LocalDirectory::Group(std::string_view group) const {
  gateway::GroupPolicy policy;
  if (const GroupPtr known = metadata_->FindGroup(group)) {
    policy.fifo = known->fifo;
    policy.max_attempts = static_cast<int32_t>(known->max_attempts);
    policy.backoff = known->backoff;
  }
  return policy;
}

}  // namespace mansio::broker
