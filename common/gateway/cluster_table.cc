#include "common/gateway/cluster_table.h"

#include <utility>

#include "common/names/names.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

bool IsUsable(const v1::TopicInfo& topic) {
  return topic.permission() == v2::READ_WRITE || topic.permission() == v2::PERMISSION_UNSPECIFIED;
}

std::vector<HostPort> AddressesOf(const v1::BrokerIdentity& identity) {
  std::vector<HostPort> addresses;
  for (const v2::Address& address : identity.addresses()) {
    addresses.push_back({address.host(), address.port()});
  }
  return addresses;
}

}  // namespace

void ClusterTable::Replace(Member member) {
  const Key key = KeyOf(member.identity);
  Remove(key);
  Member& entered = members_[key];
  entered.identity = std::move(member.identity);
  for (const auto& [name, topic] : member.topics) Set(entered, topic, entered.topics, topics_);
  for (const auto& [name, group] : member.groups) Set(entered, group, entered.groups, groups_);
}

void ClusterTable::Remove(const Key& key) {
  const auto found = members_.find(key);
  if (found == members_.end()) return;
  Unlist(found->second);
  members_.erase(found);
}

void ClusterTable::Unlist(const Member& member) {
  const auto drop = [&member](const auto& infos, Index& index) {
    for (const auto& [name, info] : infos) {
      const auto having = index.find(name);
      std::erase(having->second, &member);
      if (having->second.empty()) index.erase(having);
    }
  };
  drop(member.topics, topics_);
  drop(member.groups, groups_);
}

const ClusterTable::Member* ClusterTable::Find(const Key& key) const {
  const auto found = members_.find(key);
  return found == members_.end() ? nullptr : &found->second;
}

TopicRoute ClusterTable::Route(std::string_view topic) const {
  TopicRoute route;
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  const auto having = names::IsRetryTopic(topic) ? topics_.end() : topics_.find(topic);
  if (having == topics_.end()) return route;
  for (const Member* member : having->second) {
    const v1::TopicInfo& info = member->topics.find(topic)->second;
    if (member->identity.id() != 0 || !IsUsable(info)) continue;
    const std::pair<int, bool> type(info.message_type(), info.mixed());
    if (route.brokers.empty()) std::tie(route.message_type, route.mixed) = type;
    if (type != std::pair(route.message_type, route.mixed)) continue;
    if (!route.brokers.empty() && route.brokers.back().broker == member->identity.name()) continue;
    route.brokers.push_back({.broker = member->identity.name(),
                             .endpoints = AddressesOf(member->identity),
                             .queues = info.queues()});
  }
  return route;
}

std::vector<std::string> ClusterTable::MastersWith(std::string_view topic) const {
  std::vector<std::string> names;
  const auto having = topics_.find(topic);
  if (having == topics_.end()) return names;
  for (const Member* member : having->second) {
    if (member->identity.id() == 0) names.push_back(member->identity.name());
  }
  return names;
}

std::optional<GroupPolicy> ClusterTable::Group(std::string_view group) const {
  const auto having = groups_.find(group);
  if (having == groups_.end()) return std::nullopt;
  const v1::GroupInfo& info = having->second.front()->groups.find(group)->second;
  GroupPolicy policy;
  policy.fifo = info.fifo();
  if (info.max_attempts() > 0) policy.max_attempts = info.max_attempts();
  if (auto backoff = BackoffFromWire(info.backoff())) policy.backoff = *std::move(backoff);
  return policy;
}

std::optional<HostPort> ClusterTable::MasterOf(std::string_view broker) const {
  // Few clusters: names are looked for in each.
  for (auto it = members_.begin(); it != members_.end();) {
    const std::string& cluster = std::get<0>(it->first);
    const Member* const master = Find({cluster, std::string(broker), 0});
    if (master != nullptr) return AddressesOf(master->identity).front();
    it = members_.upper_bound({cluster + '\0', "", 0});
  }
  return std::nullopt;
}

}  // namespace mansio::gateway
