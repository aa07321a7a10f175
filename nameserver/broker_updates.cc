#include "nameserver/broker_updates.h"

#include <cstddef>
#include <tuple>
#include <utility>

namespace mansio::nameserver {

using gateway::ClusterTable;

namespace {

constexpr size_t kPartEntries = 1000;     // topics or groups in one part
constexpr size_t kPartBytes = 256 << 10;  // about

UpdateBytes Encode(v1::BrokerUpdate&& update) {
  v1::ClusterUpdate element;  // without a sequence number: the bytes are the same for all
  *element.add_brokers() = std::move(update);
  return std::make_shared<const std::string>(element.SerializeAsString());
}

// What names a broker in an update that does not describe it.
v1::BrokerIdentity NameOf(const ClusterTable::Key& key) {
  v1::BrokerIdentity name;
  name.set_cluster(std::get<0>(key));
  name.set_name(std::get<1>(key));
  name.set_id(std::get<2>(key));
  return name;
}

// Fills one part after the other.
class Parts {
 public:
  // `head`: what each part begins with.
  explicit Parts(v1::BrokerUpdate head) : head_(std::move(head)), part_(head_) {}

  v1::BrokerUpdate& part() { return part_; }
  // One entry of so many bytes is in the part.
  void Added(size_t bytes) {
    bytes_ += bytes;
    if (++entries_ == kPartEntries || bytes_ >= kPartBytes) End();
  }
  // The last part is there even if it is empty when `whole`.
  std::vector<UpdateBytes> Take(bool whole) {
    if (whole) part_.set_last_part(true);
    if (whole || entries_ > 0 || parts_.empty()) End();
    return std::move(parts_);
  }

 private:
  void End() {
    parts_.push_back(Encode(std::exchange(part_, head_)));
    entries_ = bytes_ = 0;
  }

  const v1::BrokerUpdate head_;
  v1::BrokerUpdate part_;
  std::vector<UpdateBytes> parts_;
  size_t entries_ = 0;
  size_t bytes_ = 0;
};

}  // namespace

std::vector<UpdateBytes> EncodeWhole(const ClusterTable::Member& member) {
  v1::BrokerUpdate head;
  *head.mutable_broker() = member.identity;
  head.set_snapshot(true);
  Parts parts(std::move(head));
  for (const auto& [name, topic] : member.topics) {
    *parts.part().add_topics() = topic;
    parts.Added(topic.ByteSizeLong());
  }
  for (const auto& [name, group] : member.groups) {
    *parts.part().add_groups() = group;
    parts.Added(group.ByteSizeLong());
  }
  return parts.Take(/*whole=*/true);
}

std::vector<UpdateBytes> EncodeChanges(const ClusterTable::Member& member, const Names& topics,
                                       const Names& groups) {
  v1::BrokerUpdate head;
  *head.mutable_broker() = NameOf(ClusterTable::KeyOf(member.identity));
  Parts parts(std::move(head));
  topics([&](const std::string& name) {
    const auto topic = member.topics.find(name);
    if (topic == member.topics.end()) {
      parts.part().add_deleted_topics(name);
      return parts.Added(name.size());
    }
    *parts.part().add_topics() = topic->second;
    parts.Added(topic->second.ByteSizeLong());
  });
  groups([&](const std::string& name) {
    const auto group = member.groups.find(name);
    if (group == member.groups.end()) {
      parts.part().add_deleted_groups(name);
      return parts.Added(name.size());
    }
    *parts.part().add_groups() = group->second;
    parts.Added(group->second.ByteSizeLong());
  });
  return parts.Take(/*whole=*/false);
}

UpdateBytes EncodeLeft(const ClusterTable::Key& broker) {
  v1::BrokerUpdate update;
  *update.mutable_broker() = NameOf(broker);
  update.set_left(true);
  return Encode(std::move(update));
}

}  // namespace mansio::nameserver
