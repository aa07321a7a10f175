#ifndef MANSIO_TESTS_NAMESERVER_TESTING_H_
#define MANSIO_TESTS_NAMESERVER_TESTING_H_

#include <string>
#include <vector>

#include "mansio/v1/registration.pb.h"

namespace mansio::nameserver {

inline v1::BrokerIdentity Identity(const std::string& name, const std::string& host = "192.0.2.1",
                                   int64_t epoch = 1, const std::string& cluster = "cluster") {
  v1::BrokerIdentity identity;
  identity.set_cluster(cluster);
  identity.set_name(name);
  identity.set_epoch(epoch);
  identity.set_role("master");
  auto* address = identity.add_addresses();
  address->set_host(host);
  address->set_port(8081);
  return identity;
}

inline v1::TopicInfo Topic(const std::string& name, int queues = 8) {
  v1::TopicInfo topic;
  topic.set_name(name);
  topic.set_queues(queues);
  topic.set_message_type(apache::rocketmq::v2::NORMAL);
  topic.set_permission(apache::rocketmq::v2::READ_WRITE);
  return topic;
}

inline v1::GroupInfo Group(const std::string& name, int max_attempts = 17) {
  v1::GroupInfo group;
  group.set_name(name);
  group.set_max_attempts(max_attempts);
  return group;
}

// A complete snapshot with the given topics.
inline v1::Snapshot SnapshotOf(const v1::BrokerIdentity& identity,
                               const std::vector<std::string>& topics) {
  v1::Snapshot snapshot;
  *snapshot.mutable_broker() = identity;
  for (const std::string& topic : topics) *snapshot.add_topics() = Topic(topic);
  snapshot.set_last_part(true);
  return snapshot;
}

}  // namespace mansio::nameserver

#endif  // MANSIO_TESTS_NAMESERVER_TESTING_H_
