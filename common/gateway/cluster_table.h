#ifndef MANSIO_COMMON_GATEWAY_CLUSTER_TABLE_H_
#define MANSIO_COMMON_GATEWAY_CLUSTER_TABLE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "common/gateway/directory.h"
#include "common/names/string_map.h"
#include "mansio/v1/registration.pb.h"

namespace mansio::gateway {

// What the brokers of a cluster have registered, with the brokers of each topic at hand: the tables
// behind a nameserver's routes and a broker's view of the others. In a group the member with id 0
// is its master. Not thread-safe.
class ClusterTable {
 public:
  using Key = std::tuple<std::string, std::string, int32_t>;  // cluster, name, id
  struct Member {
    v1::BrokerIdentity identity;
    StringMap<v1::TopicInfo> topics;
    StringMap<v1::GroupInfo> groups;
  };

  static Key KeyOf(const v1::BrokerIdentity& identity) {
    return {identity.cluster(), identity.name(), identity.id()};
  }

  // Enters or replaces a member.
  void Replace(Member member);
  // What has changed of a member: `update` has topics, groups, deleted_topics and deleted_groups,
  // as Delta and BrokerUpdate have. Nothing for a member that is not there.
  template <typename Update>
  void Change(const Key& key, const Update& update);
  void Remove(const Key& key);

  const std::map<Key, Member>& members() const { return members_; }
  const Member* Find(const Key& key) const;

  // The broker groups that have the topic, ordered by name, each name once; no broker when there is
  // none. The endpoints are those of all members, the master first: whoever is asked passes calls
  // on to it, and while there is none, they wait with the others for the next.
  // Queues of another type than the first master's are left out: that broker would refuse what the
  // route promises. So are those that are drained and finished.
  TopicRoute Route(std::string_view topic) const;
  // Their names only, whatever the topic's type there.
  std::vector<std::string> MastersWith(std::string_view topic) const;
  // The same for a consumer group.
  std::vector<std::string> MastersWithGroup(std::string_view group) const;
  // As Directory has it.
  std::vector<std::string> Sharing(std::string_view topic) const;
  // The same. A broker may have missed a change: the one that it takes for the owner is asked, too.
  // `first`: who is said to be the owner; "": nobody yet.
  std::string GroupOwner(std::string_view topic, std::string_view message_group,
                         std::string_view first = {}) const;
  std::vector<Master> Masters() const;
  // The names of the broker groups that have members, but no master.
  std::vector<std::string> WithoutMaster() const;
  // A group as the first broker has it that knows it; null when none does.
  const v1::GroupInfo* GroupInfo(std::string_view group) const;
  // Its policy; nullopt when no broker knows it.
  std::optional<GroupPolicy> Group(std::string_view group) const;
  std::optional<HostPort> MasterOf(std::string_view broker) const;

 private:
  // Who has a name, ordered by broker name and cluster.
  using Index = StringMap<std::vector<const Member*>>;
  using Shares = google::protobuf::RepeatedPtrField<std::string>;

  // Between whom a topic's message groups are divided, as this master says, or ("") the first one
  // that does; empty: nobody says.
  const Shares& SharesAt(std::string_view topic, std::string_view broker) const;

  template <typename Info>
  static void Set(const Member& member, const Info& info, StringMap<Info>& infos, Index& index);
  template <typename Info>
  static void Drop(const Member& member, const std::string& name, StringMap<Info>& infos,
                   Index& index);
  // Whether a group is known by this member: its master, or the first of those who are there.
  bool IsHead(const Member& member) const;
  std::vector<HostPort> AddressesOfGroup(const Member& head) const;
  void Unlist(const Member& member);
  static std::vector<std::string> MastersIn(const Index& index, std::string_view name);

  std::map<Key, Member> members_;  // its elements do not move
  Index topics_;
  Index groups_;
};

template <typename Info>
void ClusterTable::Set(const Member& member, const Info& info, StringMap<Info>& infos,
                       Index& index) {
  const auto [it, added] = infos.insert_or_assign(info.name(), info);
  if (!added) return;
  const auto by_name = [](const Member* a, const Member* b) {
    return std::tie(a->identity.name(), a->identity.cluster()) <
           std::tie(b->identity.name(), b->identity.cluster());
  };
  std::vector<const Member*>& having = index[info.name()];
  having.insert(std::upper_bound(having.begin(), having.end(), &member, by_name), &member);
}

template <typename Info>
void ClusterTable::Drop(const Member& member, const std::string& name, StringMap<Info>& infos,
                        Index& index) {
  if (infos.erase(name) == 0) return;
  const auto having = index.find(name);
  std::erase(having->second, &member);
  if (having->second.empty()) index.erase(having);
}

template <typename Update>
void ClusterTable::Change(const Key& key, const Update& update) {
  const auto found = members_.find(key);
  if (found == members_.end()) return;
  Member& member = found->second;
  for (const v1::TopicInfo& topic : update.topics()) Set(member, topic, member.topics, topics_);
  for (const v1::GroupInfo& group : update.groups()) Set(member, group, member.groups, groups_);
  for (const std::string& name : update.deleted_topics())
    Drop(member, name, member.topics, topics_);
  for (const std::string& name : update.deleted_groups())
    Drop(member, name, member.groups, groups_);
}

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CLUSTER_TABLE_H_
