#include "common/gateway/cluster_table.h"

#include <utility>

#include "common/gateway/group_owner.h"
#include "common/names/names.h"

namespace mansio::gateway {

namespace v2 = apache::rocketmq::v2;

namespace {

// Of brokers that missed different changes; while one is under way, two may each name the other.
constexpr int kMostAsked = 5;

bool IsWritable(const v1::TopicInfo& topic) {
  return topic.permission() == v2::READ_WRITE || topic.permission() == v2::PERMISSION_UNSPECIFIED;
}

bool IsUsable(const v1::TopicInfo& topic) {
  return IsWritable(topic) || topic.permission() == v2::READ;
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

bool ClusterTable::IsHead(const Member& member) const {
  if (member.identity.id() == 0) return true;
  const auto& [cluster, name, id] = KeyOf(member.identity);
  return &members_.lower_bound({cluster, name, 0})->second == &member;
}

std::vector<HostPort> ClusterTable::AddressesOfGroup(const Member& head) const {
  std::vector<HostPort> addresses;
  const auto& [cluster, name, id] = KeyOf(head.identity);
  for (auto it = members_.lower_bound({cluster, name, 0}); it != members_.end(); ++it) {
    const v1::BrokerIdentity& identity = it->second.identity;
    if (identity.cluster() != cluster || identity.name() != name) break;
    const std::vector<HostPort> own = AddressesOf(identity);
    addresses.insert(addresses.end(), own.begin(), own.end());
  }
  return addresses;
}

TopicRoute ClusterTable::Route(std::string_view topic) const {
  TopicRoute route;
  // Nobody receives from a retry topic: what waits there comes with its origin (RocketMQ 5 API).
  const auto having = names::IsRetryTopic(topic) ? topics_.end() : topics_.find(topic);
  if (having == topics_.end()) return route;
  for (const Member* member : having->second) {
    const v1::TopicInfo& info = member->topics.find(topic)->second;
    if (!IsUsable(info) || !IsHead(*member)) continue;
    const std::pair<int, bool> type(info.message_type(), info.mixed());
    if (route.brokers.empty()) std::tie(route.message_type, route.mixed) = type;
    if (type != std::pair(route.message_type, route.mixed)) continue;
    if (!route.brokers.empty() && route.brokers.back().broker == member->identity.name()) continue;
    route.brokers.push_back({.broker = member->identity.name(),
                             .endpoints = AddressesOfGroup(*member),
                             .queues = info.queues(),
                             .writable = IsWritable(info)});
  }
  return route;
}

std::vector<std::string> ClusterTable::MastersIn(const Index& index, std::string_view name) {
  std::vector<std::string> names;
  const auto having = index.find(name);
  if (having == index.end()) return names;
  for (const Member* member : having->second) {
    if (member->identity.id() == 0) names.push_back(member->identity.name());
  }
  return names;
}

std::vector<std::string> ClusterTable::MastersWith(std::string_view topic) const {
  return MastersIn(topics_, topic);
}

std::vector<std::string> ClusterTable::MastersWithGroup(std::string_view group) const {
  return MastersIn(groups_, group);
}

const ClusterTable::Shares& ClusterTable::SharesAt(std::string_view topic,
                                                   std::string_view broker) const {
  const auto having = topics_.find(topic);
  if (having != topics_.end()) {
    for (const Member* member : having->second) {
      if (member->identity.id() != 0) continue;
      if (!broker.empty() && member->identity.name() != broker) continue;
      const Shares& shares = member->topics.find(topic)->second.brokers();
      if (!shares.empty()) return shares;
    }
  }
  static const auto* const kNobody = new Shares();
  return *kNobody;
}

std::vector<std::string> ClusterTable::Sharing(std::string_view topic) const {
  const Shares& shares = SharesAt(topic, "");
  return {shares.begin(), shares.end()};
}

std::string ClusterTable::GroupOwner(std::string_view topic, std::string_view message_group,
                                     std::string_view first) const {
  const auto name_of = [](const std::string& name) -> std::string_view { return name; };
  std::string owner(first);
  for (int asked = 0; asked < kMostAsked; ++asked) {
    const Shares& shares = SharesAt(topic, owner);
    if (shares.empty()) break;
    const std::string& said =
        shares[static_cast<int>(BrokerOfGroup(message_group, shares, name_of))];
    if (said == owner) break;
    owner = said;
  }
  return owner;
}

std::vector<Master> ClusterTable::Masters() const {
  std::vector<Master> masters;
  for (const auto& [key, member] : members_) {
    if (member.identity.id() != 0) continue;
    masters.push_back({member.identity.name(), AddressesOf(member.identity).front()});
  }
  return masters;
}

std::vector<std::string> ClusterTable::WithoutMaster() const {
  std::vector<std::string> names;
  for (const auto& [key, member] : members_) {
    if (member.identity.id() == 0 || !IsHead(member)) continue;
    names.push_back(member.identity.name());
  }
  return names;
}

const v1::GroupInfo* ClusterTable::GroupInfo(std::string_view group) const {
  const auto having = groups_.find(group);
  if (having == groups_.end()) return nullptr;
  return &having->second.front()->groups.find(group)->second;
}

std::optional<GroupPolicy> ClusterTable::Group(std::string_view group) const {
  const v1::GroupInfo* const info = GroupInfo(group);
  if (info == nullptr) return std::nullopt;
  GroupPolicy policy;
  policy.fifo = info->fifo();
  if (info->max_attempts() > 0) policy.max_attempts = info->max_attempts();
  if (auto backoff = BackoffFromWire(info->backoff())) policy.backoff = *std::move(backoff);
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
