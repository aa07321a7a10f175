#include "broker/server/local_directory.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/names/names.h"

namespace mansio::broker {

LocalDirectory::LocalDirectory(Options options, Metadata* metadata, const ClusterView* others)
    : options_(std::move(options)), metadata_(metadata), others_(others) {}

absl::StatusOr<gateway::TopicRoute> LocalDirectory::Route(std::string_view topic) const {
  const TopicPtr known = metadata_->FindTopic(topic);
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  gateway::TopicRoute others = others_->Route(topic);
  if (known != nullptr && known->kind != TopicKind::kRetry) {
    return RouteOf(known->type, known->queues, std::move(others));
  }
  if (!others.brokers.empty()) return others;
  if (names::IsGroupTopic(topic) || !options_.auto_create_topics) return TopicNotFound(topic);
  // A creation that fails is told to the sender, whose send tries it again.
  metadata_->CreateTopic(std::string(topic), MessageType::kNormal, options_.default_queues,
                         [](const absl::StatusOr<TopicPtr>&) {});
  return RouteOf(MessageType::kNormal, options_.default_queues, {});
}

gateway::TopicRoute LocalDirectory::RouteOf(MessageType type, uint32_t queues,
                                            gateway::TopicRoute others) const {
  gateway::TopicRoute route;
  route.mixed = type == MessageType::kMixed;
  if (!route.mixed) route.message_type = static_cast<int>(type);
  route.brokers.push_back({.broker = options_.broker_name,
                           .broker_id = 0,
                           .endpoints = {options_.advertised},
                           .queues = static_cast<int32_t>(queues)});
  const bool same_type =
      others.mixed == route.mixed && (route.mixed || others.message_type == route.message_type);
  if (!same_type) return route;
  std::move(others.brokers.begin(), others.brokers.end(), std::back_inserter(route.brokers));
  std::sort(route.brokers.begin(), route.brokers.end(),
            [](const auto& a, const auto& b) { return a.broker < b.broker; });
  return route;
}

gateway::GroupPolicy LocalDirectory::Group(std::string_view group) const {
  gateway::GroupPolicy policy;
  if (const GroupPtr known = metadata_->FindGroup(group)) {
    policy.fifo = known->fifo;
    policy.max_attempts = static_cast<int32_t>(known->max_attempts);
    policy.backoff = known->backoff;
    return policy;
  }
  return others_->Group(group).value_or(policy);
}

bool LocalDirectory::Stores(std::string_view topic) const {
  if (metadata_->FindTopic(topic) != nullptr) return true;
  return options_.auto_create_topics && !names::IsGroupTopic(topic) &&
         others_->MastersWith(topic).empty();
}

std::optional<gateway::HostPort> LocalDirectory::MasterOf(std::string_view broker) const {
  if (broker == options_.broker_name) return options_.advertised;
  return others_->MasterOf(broker);
}

}  // namespace mansio::broker
