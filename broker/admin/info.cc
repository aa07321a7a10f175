#include "broker/admin/info.h"

#include <string>

#include "common/backoff/backoff.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

void SetMillis(int64_t ms, google::protobuf::Duration* out) {
  out->set_seconds(ms / 1000);
  out->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
}

const char* RoleName(gateway::ClientRole role) {
  switch (role) {
    case gateway::ClientRole::kProducer:
      return "producer";
    case gateway::ClientRole::kPushConsumer:
      return "push-consumer";
    case gateway::ClientRole::kSimpleConsumer:
      return "simple-consumer";
    case gateway::ClientRole::kPullConsumer:
      return "pull-consumer";
    case gateway::ClientRole::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace

v1::TopicInfo TopicInfoOf(const TopicRecord& topic) {
  v1::TopicInfo info;
  info.set_name(topic.name);
  if (topic.type == MessageType::kMixed) {
    info.set_mixed(true);
  } else {
    info.set_message_type(static_cast<v2::MessageType>(topic.type));
  }
  info.set_queues(static_cast<int32_t>(topic.queues));
  info.set_permission(topic.draining ? v2::READ : v2::READ_WRITE);
  info.mutable_brokers()->Assign(topic.brokers.begin(), topic.brokers.end());
  info.set_added(topic.added);
  if (const CheckBackPolicy& own = topic.check_back; own != CheckBackPolicy{}) {
    SetMillis(own.first_check_ms, info.mutable_check_back()->mutable_first_check());
    SetMillis(own.interval_ms, info.mutable_check_back()->mutable_interval());
    info.mutable_check_back()->set_max_checks(static_cast<int32_t>(own.max_checks));
  }
  if (topic.expiry.ttl_ms > 0) SetMillis(topic.expiry.ttl_ms, info.mutable_ttl());
  if (topic.expiry.dead_letter) info.set_expired(v1::EXPIRED_POLICY_DEAD_LETTER);
  info.set_priority_guard(topic.priority_guard);
  info.set_max_backlog(static_cast<int64_t>(topic.backlog.max));
  if (topic.backlog.max > 0) {
    info.set_overflow(
        static_cast<v1::OverflowPolicy>(static_cast<int>(topic.backlog.overflow) + 1));
  }
  return info;
}

v1::TopicInfo TopicInfoOf(const Topic& topic) {
  v1::TopicInfo info = TopicInfoOf(static_cast<const TopicRecord&>(topic));
  if (topic.IsFinished()) info.set_permission(v2::NONE);
  return info;
}

v1::ClientDescription ClientDescriptionOf(const gateway::ClientInfo& client,
                                          absl::Duration silence) {
  v1::ClientDescription description;
  description.set_id(client.id);
  description.set_role(RoleName(client.role));
  description.set_group(client.group);
  for (const std::string& topic : client.topics) description.add_topics(topic);
  description.set_language(client.language);
  description.set_version(client.version);
  description.set_peer(client.peer);
  SetMillis(absl::ToInt64Milliseconds(silence), description.mutable_silent());
  description.set_connected(client.stream_open);
  return description;
}

v1::GroupInfo GroupInfoOf(const GroupRecord& group) {
  v1::GroupInfo info;
  info.set_name(group.name);
  info.set_fifo(group.fifo);
  info.set_max_attempts(static_cast<int32_t>(group.max_attempts));
  info.set_start(static_cast<v1::StartPolicy>(group.start));
  if (group.backoff != Backoff::Default()) {
    ToWire(group.backoff, info.mutable_backoff());
    info.mutable_backoff()->set_max_attempts(info.max_attempts());
  }
  info.set_broadcast(group.broadcast);
  info.set_paused(group.paused);
  SetMillis(group.created_ms, info.mutable_created());
  return info;
}

}  // namespace mansio::broker
