#include "broker/server/local_directory.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/names/names.h"

namespace mansio::broker {

LocalDirectory::LocalDirectory(Options options, Metadata* metadata, const ClusterView* others)
    : options_(std::move(options)), metadata_(metadata), others_(others) {}

std::optional<gateway::HostPort> LocalDirectory::Master() const {
  if (!options_.master.has_value()) return options_.advertised;
  return options_.elected != nullptr ? options_.elected() : options_.master;
}

std::vector<gateway::HostPort> LocalDirectory::Endpoints() const {
  const std::optional<gateway::HostPort> master = Master();
  if (!master.has_value() || *master == options_.advertised) return {options_.advertised};
  return {*master, options_.advertised};
}

absl::StatusOr<gateway::TopicRoute> LocalDirectory::Route(std::string_view topic) const {
  const TopicPtr known = metadata_->FindTopic(topic);
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  gateway::TopicRoute others = others_->Route(topic);
  const bool here = known != nullptr && known->kind != TopicKind::kRetry;
  if (here && !known->IsFinished()) {
    return RouteOf(known->type, known->queues, !known->draining, std::move(others));
  }
  if (!others.brokers.empty()) return others;
  if (here) return TopicNotFound(topic);
  // One that may exist is not made up.
  if (names::IsGroupTopic(topic) || !options_.auto_create_topics || metadata_->MayLack())
    return metadata_->TopicMissing(topic);
  // A creation that fails is told to the sender, whose send tries it again.
  metadata_->CreateTopic(std::string(topic), MessageType::kNormal, options_.default_queues,
                         [](const absl::StatusOr<TopicPtr>&) {});
  return RouteOf(MessageType::kNormal, options_.default_queues, true, {});
}

gateway::TopicRoute LocalDirectory::RouteOf(MessageType type, uint32_t queues, bool writable,
                                            gateway::TopicRoute others) const {
  gateway::TopicRoute route;
  route.mixed = type == MessageType::kMixed;
  if (!route.mixed) route.message_type = static_cast<int>(type);
  std::vector<gateway::HostPort> endpoints = Endpoints();
  for (gateway::HostPort& slave : options_.slaves()) endpoints.push_back(std::move(slave));
  route.brokers.push_back({.broker = options_.broker_name,
                           .broker_id = 0,
                           .endpoints = std::move(endpoints),
                           .queues = static_cast<int32_t>(queues),
                           .writable = writable});
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

absl::Status LocalDirectory::CheckGroup(std::string_view group) const {
  const bool known = !metadata_->MayLack() || metadata_->FindGroup(group) != nullptr ||
                     others_->Group(group).has_value();
  return known ? absl::OkStatus() : metadata_->GroupMissing(group);
}

std::vector<std::string> LocalDirectory::OthersWith(std::string_view topic) const {
  std::vector<std::string> names = others_->MastersWith(topic);
  if (options_.master.has_value() && metadata_->FindTopic(topic) != nullptr) {
    names.push_back(options_.broker_name);
  }
  return names;
}

std::vector<std::string> LocalDirectory::OthersWithGroup(std::string_view group) const {
  std::vector<std::string> names = others_->MastersWithGroup(group);
  if (options_.master.has_value() && metadata_->FindGroup(group) != nullptr) {
    names.push_back(options_.broker_name);
  }
  return names;
}

bool LocalDirectory::Stores(std::string_view topic) const {
  if (options_.master.has_value()) return false;
  if (const TopicPtr known = metadata_->FindTopic(topic)) return !known->draining;
  return options_.auto_create_topics && !names::IsGroupTopic(topic) &&
         others_->MastersWith(topic).empty();
}

std::vector<std::string> LocalDirectory::Sharing(std::string_view topic) const {
  const TopicPtr known = metadata_->FindTopic(topic);
  return known != nullptr && !known->brokers.empty() ? known->brokers : others_->Sharing(topic);
}

std::string LocalDirectory::GroupOwner(std::string_view topic,
                                       std::string_view message_group) const {
  const TopicPtr known = metadata_->FindTopic(topic);
  if (known == nullptr) return others_->GroupOwner(topic, message_group);
  std::string owner = known->OwnerOf(message_group);
  if (owner.empty() || owner == options_.broker_name) return owner;
  // This broker gave the group away; its new owner may be about to learn so.
  std::string latest = others_->GroupOwner(topic, message_group, owner);
  return latest == options_.broker_name ? owner : latest;
}

std::vector<gateway::Master> LocalDirectory::Masters() const {
  std::vector<gateway::Master> masters = others_->Masters();
  // A slave that stands for its group is asked itself.
  const bool here = !StandsFor().empty();
  masters.push_back({options_.broker_name, here ? options_.advertised : Endpoints().front()});
  std::sort(masters.begin(), masters.end(),
            [](const auto& a, const auto& b) { return a.broker < b.broker; });
  return masters;
}

std::optional<gateway::HostPort> LocalDirectory::MasterOf(std::string_view broker) const {
  if (broker == options_.broker_name) return Master();
  return others_->MasterOf(broker);
}

}  // namespace mansio::broker
