#include "broker/consumption/delivery.h"

#include <string>
#include <string_view>
#include <utility>

#include "broker/consumption/receipt_handle.h"
#include "common/clock/broker_time.h"

namespace mansio::broker {

namespace {

// A message that is retried looks like the one that was sent; a dead letter says what it was.
bool SetOrigin(const Delivering& delivering, const TakenMessage& taken,
               const StoredContent& content, Delivery* delivery) {
  std::string_view dead_letter;
  if (delivering.topic.kind == TopicKind::kDeadLetter) dead_letter = content.provenance;
  if (taken.queue.topic != delivering.topic.id) {
    const auto origin = Provenance::Decode(content.provenance);
    if (!origin.ok()) return false;
    delivery->queue_id = static_cast<int32_t>(origin->queue);
    delivery->queue_offset = static_cast<int64_t>(origin->offset);
    delivery->store_time_ms = origin->stored_ms;
    delivery->attempt += static_cast<int32_t>(origin->attempts);
    dead_letter = origin->dead_letter;
  }
  if (!dead_letter.empty()) {
    const auto dead = Provenance::Decode(dead_letter);
    if (!dead.ok()) return false;
    delivery->dead_letter_topic = dead->topic_name;
  }
  return true;
}

}  // namespace

std::optional<rpc::Payload> EncodeDelivery(const Delivering& delivering, const TakenMessage& taken,
                                           const StoredContent& content,
                                           const store::StoredMessage& message) {
  ReceiptHandle handle;
  handle.broker = delivering.context.options.broker_name;
  handle.group = delivering.group;
  handle.topic = taken.queue.topic;
  handle.queue = taken.queue.queue;
  handle.offset = taken.offset;
  handle.lease = taken.lease;
  Delivery delivery;
  delivery.topic = delivering.request.topic;
  delivery.resource_namespace = delivering.request.topic_namespace;
  delivery.store_host = delivering.context.options.store_host;
  delivery.queue_id = static_cast<int32_t>(taken.queue.queue);
  delivery.queue_offset = static_cast<int64_t>(taken.offset);
  delivery.store_time_ms = message.view.store_time;
  delivery.attempt = static_cast<int32_t>(taken.attempt);
  if (!delivering.request.auto_renew) {
    delivery.invisible_ms = delivering.held
                                ? taken.deadline_ms - delivering.context.time.NowMillis()
                                : absl::ToInt64Milliseconds(delivering.request.invisible);
  }
  if (!SetOrigin(delivering, taken, content, &delivery)) return std::nullopt;
  handle.attempt = static_cast<uint32_t>(delivery.attempt);
  const std::string handle_text = handle.Encode(delivering.context.metadata.handle_key());
  delivery.receipt_handle = handle_text;
  return EncodeReceivedMessage(content, delivery, message.bytes.owner);
}

}  // namespace mansio::broker
