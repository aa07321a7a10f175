#include "broker/inspection/found_message.h"

#include <utility>

#include "broker/core/timestamps.h"
#include "common/rpc/proto_call.h"

namespace mansio::broker {

absl::StatusOr<DecodedMessage> Decode(store::StoredMessage message) {
  DecodedMessage decoded{std::move(message), {}, {}};
  auto content = DecodeContent(decoded.message.view.content);
  if (!content.ok()) return content.status();
  decoded.content = *content;
  auto provenance = Provenance::Decode(content->provenance);
  if (!provenance.ok()) return provenance.status();
  decoded.provenance = *provenance;
  return decoded;
}

v1::FoundMessage FoundMessageOf(const DecodedMessage& message, const Topic& topic,
                                const std::string& broker, bool with_body) {
  const store::MessageView& view = message.message.view;
  v1::FoundMessage found;
  found.set_broker(broker);
  auto* out = found.mutable_message();
  rpc::Parse(message.content.properties, out);
  auto* system = out->mutable_system_properties();
  rpc::Parse(message.content.system, system);
  out->mutable_topic()->set_name(topic.name);
  system->set_queue_id(static_cast<int32_t>(view.queue.queue));
  system->set_queue_offset(static_cast<int64_t>(view.queue_offset));
  SetMillis(view.store_time, system->mutable_store_timestamp());
  if (with_body) out->set_body(std::string(message.content.body));
  found.set_body_bytes(static_cast<int64_t>(message.content.body.size()));

  const Provenance& p = message.provenance;
  found.set_origin_topic(std::string(p.topic_name));
  found.set_origin_queue_id(static_cast<int32_t>(p.queue));
  found.set_origin_offset(static_cast<int64_t>(p.offset));
  found.set_group(std::string(p.group));
  found.set_attempts(static_cast<int32_t>(p.attempts));
  if (p.due_ms > 0) SetMillis(p.due_ms, found.mutable_due());
  found.set_reason(std::string(p.reason));
  return found;
}

}  // namespace mansio::broker
