#include "broker/send/validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "absl/time/time.h"
#include "apache/rocketmq/v2/service.pb.h"
#include "broker/delay/delay.h"
#include "broker/delay/records.h"
#include "broker/message/stored_message.h"
#include "common/names/names.h"
#include "common/status/wire_status.h"

namespace mansio::broker {

namespace v2 = apache::rocketmq::v2;

namespace {

std::string TypeName(int type) {
  const std::string& name = v2::MessageType_Name(static_cast<v2::MessageType>(type));
  return name.empty() ? fmt::format("number {}", type) : name;
}

absl::Status CheckBody(const v2::Message& message, const SendLimits& limits) {
  if (message.body().empty()) {
    return WireError(v2::MESSAGE_BODY_EMPTY,
                     "the message has an empty body; send at least one byte");
  }
  if (message.body().size() > limits.body_bytes) {
    return WireError(
        v2::MESSAGE_BODY_TOO_LARGE,
        fmt::format("the message body has {} bytes and the limit is {}; send it in parts, "
                    "or raise limits.body-bytes on the broker",
                    message.body().size(), limits.body_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckDelayLevel(const v2::Message& message, const std::string& value) {
  const bool number = !value.empty() && std::all_of(value.begin(), value.end(),
                                                    [](char c) { return c >= '0' && c <= '9'; });
  if (!number || value.find_first_not_of('0') == std::string::npos) {
    return WireError(v2::ILLEGAL_MESSAGE_PROPERTY_KEY,
                     "the user property DELAY names a delay level, a whole number from 1 on; "
                     "leave it out for a message without one");
  }
  const v2::SystemProperties& system = message.system_properties();
  const char* other = nullptr;
  if (system.has_delivery_timestamp()) other = "a delivery time";
  if (system.has_message_group()) other = "a message group";
  if (system.message_type() == v2::TRANSACTION) other = "a transaction";
  if (system.has_priority()) other = "a priority";
  if (other == nullptr) return absl::OkStatus();
  return WireError(v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
                   fmt::format("the message has a delay level (user property DELAY) and {}; give "
                               "it one of both",
                               other));
}

absl::Status CheckTtl(std::string_view value) {
  if (ParseTtl(value).has_value()) return absl::OkStatus();
  return WireError(v2::ILLEGAL_MESSAGE_PROPERTY_KEY,
                   fmt::format("the user property {} says for how many milliseconds the message "
                               "can be consumed, a whole number from 1 on; leave it out for a "
                               "message without a limit",
                               kTtlProperty));
}

absl::Status CheckUserProperties(const v2::Message& message, const SendLimits& limits) {
  const auto& properties = message.user_properties();
  if (properties.size() > limits.properties) {
    return WireError(
        v2::MESSAGE_PROPERTIES_TOO_LARGE,
        fmt::format("the message has {} user properties and the limit is {}; put some of "
                    "them into the body, or raise limits.properties on the broker",
                    properties.size(), limits.properties));
  }
  size_t bytes = message.system_properties().tag().size();
  for (const auto& [key, value] : properties) {
    absl::Status status = key == kDelayProperty ? CheckDelayLevel(message, value)
                          : key == kTtlProperty ? CheckTtl(value)
                                                : names::ValidateUserProperty(key, value);
    if (!status.ok()) return status;
    bytes += key.size() + value.size();
  }
  for (const std::string& key : message.system_properties().keys()) bytes += key.size();
  if (bytes > limits.properties_bytes) {
    return WireError(v2::MESSAGE_PROPERTIES_TOO_LARGE,
                     fmt::format("the user properties, tag and keys of the message have {} bytes "
                                 "together and the limit is {}; put some of them into the body, or "
                                 "raise limits.properties-bytes on the broker",
                                 bytes, limits.properties_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(const v2::SystemProperties& system, int64_t max_delay_ms, int64_t now_ms) {
  const int64_t latest_ms = now_ms + max_delay_ms;
  if (system.has_delivery_timestamp() &&
      (system.delivery_timestamp().seconds() > latest_ms / 1000 ||
       DueOf(system.delivery_timestamp()) > latest_ms)) {
    return WireError(
        v2::ILLEGAL_DELIVERY_TIME,
        fmt::format("the delivery time lies more than {} in the future; choose an earlier one, or "
                    "raise delay.max on the broker",
                    absl::FormatDuration(absl::Milliseconds(max_delay_ms))));
  }
  const auto& recovery = system.orphaned_transaction_recovery_duration();
  if (recovery.seconds() > kMaxRecoverySeconds ||
      (recovery.seconds() >= 0 &&
       absl::Seconds(recovery.seconds()) + absl::Nanoseconds(recovery.nanos()) >
           absl::Seconds(kMaxRecoverySeconds))) {
    return WireError(
        v2::BAD_REQUEST,
        fmt::format("the recovery duration of the transaction is longer than the limit of "
                    "{} s; choose a shorter one",
                    kMaxRecoverySeconds));
  }
  return absl::OkStatus();
}

absl::Status CheckSystemProperties(const v2::SystemProperties& system, int64_t max_delay_ms,
                                   int64_t now_ms) {
  absl::Status status;
  if (system.has_tag()) status = names::ValidateMessageTag(system.tag());
  if (!status.ok()) return status;
  for (const std::string& key : system.keys()) {
    if (status = names::ValidateMessageKey(key); !status.ok()) return status;
  }
  if (status = names::ValidateMessageId(system.message_id()); !status.ok()) return status;
  if (system.has_message_group()) status = names::ValidateMessageGroup(system.message_group());
  if (!status.ok()) return status;
  const size_t other =
      system.message_id().size() + system.trace_context().size() + system.born_host().size();
  if (other > kMaxOtherTextBytes) {
    return WireError(
        v2::MESSAGE_PROPERTIES_TOO_LARGE,
        fmt::format("the message id, trace context and born host of the message have {} "
                    "bytes together and the limit is {}; shorten them",
                    other, kMaxOtherTextBytes));
  }
  return CheckTimes(system, max_delay_ms, now_ms);
}

// What becomes visible only at the end of its transaction can be neither in order with others nor
// due at a time.
absl::Status CheckTransaction(const v2::SystemProperties& system) {
  const char* other = system.has_message_group()        ? "a message group"
                      : system.has_delivery_timestamp() ? "a delivery time"
                      : system.has_priority()           ? "a priority"
                      : system.has_lite_topic()         ? "a lite topic"
                                                        : nullptr;
  if (other == nullptr) return absl::OkStatus();
  return WireError(v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
                   fmt::format("a TRANSACTION message cannot have {}; leave it out", other));
}

// A priority chooses the queue, as a message group does; and what is due at a time is not looked at
// in any other order.
absl::Status CheckPriority(const v2::SystemProperties& system) {
  if (!system.has_priority()) return absl::OkStatus();
  if (system.priority() < 0) {
    return WireError(v2::BAD_REQUEST,
                     fmt::format("the message has the priority {}; priorities begin at 0, and "
                                 "higher ones go first",
                                 system.priority()));
  }
  const char* other = system.has_message_group()        ? "a message group"
                      : system.has_delivery_timestamp() ? "a delivery time"
                                                        : nullptr;
  if (other == nullptr) return absl::OkStatus();
  return WireError(v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
                   fmt::format("the message has a priority and {}; give it one of both", other));
}

// Types are refused by what the message says of itself as well as by the fields that only they
// have.
absl::Status CheckServed(const v2::Message& message) {
  int type = message.system_properties().message_type();
  if (type == v2::MESSAGE_TYPE_UNSPECIFIED || type == v2::NORMAL || type == v2::FIFO ||
      type == v2::DELAY || type == v2::PRIORITY) {
    type = static_cast<int>(DerivedType(message));
  }
  const v2::SystemProperties& system = message.system_properties();
  if (system.body_encoding() > v2::GZIP) {
    return WireError(
        v2::NOT_IMPLEMENTED,
        fmt::format("body encoding number {} is not served by this version of Mansio; send "
                    "the body as IDENTITY or GZIP",
                    static_cast<int>(system.body_encoding())));
  }
  if (type == v2::TRANSACTION) return CheckTransaction(system);
  if (type == v2::NORMAL || type == v2::FIFO || type == v2::DELAY || type == v2::PRIORITY) {
    if (!system.has_lite_topic()) return CheckPriority(system);
    type = v2::LITE;
  }
  return WireError(
      v2::NOT_IMPLEMENTED,
      fmt::format("messages of type {} are not served by this version of Mansio; send a "
                  "NORMAL, FIFO, DELAY, TRANSACTION or PRIORITY message",
                  TypeName(type)));
}

absl::Status ValidateMessage(const v2::Message& message, const SendLimits& limits, int64_t now_ms) {
  absl::Status status = CheckBody(message, limits);
  if (status.ok()) status = CheckUserProperties(message, limits);
  if (status.ok())
    status = CheckSystemProperties(message.system_properties(), limits.max_delay_ms, now_ms);
  if (status.ok()) status = CheckServed(message);
  return status;
}

// In a batch, says which message an error is about.
absl::Status AboutMessage(int index, int count, const absl::Status& status) {
  if (count == 1) return status;
  return WireError(CodeOf(status),
                   fmt::format("message {} of {}: {}", index + 1, count,
                               std::string_view(status.message().data(), status.message().size())));
}

}  // namespace

absl::Status ValidateSend(const v2::SendMessageRequest& request, const SendLimits& limits,
                          int64_t now_ms) {
  const int count = request.messages_size();
  if (count == 0) {
    return WireError(v2::MESSAGE_CORRUPTED, "the request has no message; send at least one");
  }
  const std::string& topic = request.messages(0).topic().name();
  if (absl::Status status = names::ValidateTopic(topic); !status.ok()) return status;
  for (int i = 1; i < count; ++i) {
    if (request.messages(i).topic().name() == topic) continue;
    return WireError(
        v2::MESSAGE_CORRUPTED,
        fmt::format("message {} of {} is for another topic than the first one; send the "
                    "messages of each topic in a request of their own",
                    i + 1, count));
  }
  if (static_cast<size_t>(count) > limits.messages) {
    return WireError(v2::PAYLOAD_TOO_LARGE,
                     fmt::format("the request has {} messages and the limit is {}; send smaller "
                                 "batches, or raise limits.messages-per-request on the broker",
                                 count, limits.messages));
  }
  for (int i = 0; i < count; ++i) {
    absl::Status status = ValidateMessage(request.messages(i), limits, now_ms);
    if (status.ok() && count > 1 && DerivedType(request.messages(i)) == MessageType::kTransaction) {
      status = WireError(v2::BAD_REQUEST,
                         "a TRANSACTION message must be the only one of its request; send each "
                         "in a request of its own");
    }
    if (!status.ok()) return AboutMessage(i, count, status);
  }
  return absl::OkStatus();
}

MessageType DerivedType(const v2::Message& message) {
  const v2::SystemProperties& system = message.system_properties();
  if (system.message_type() == v2::TRANSACTION) return MessageType::kTransaction;
  if (system.has_delivery_timestamp()) return MessageType::kDelay;
  if (system.has_message_group()) return MessageType::kFifo;
  if (system.has_priority()) return MessageType::kPriority;
  if (system.has_lite_topic()) return MessageType::kLite;
  return MessageType::kNormal;
}

bool HasDelayLevel(const v2::Message& message) {
  return message.user_properties().contains(std::string(kDelayProperty));
}

absl::Status CheckTopicType(const v2::SendMessageRequest& request, const TopicRecord& topic) {
  if (topic.kind != TopicKind::kUser) {
    return WireError(v2::ILLEGAL_TOPIC,
                     fmt::format("topic {} belongs to a consumer group and takes no messages from "
                                 "clients; send to a topic of your own",
                                 topic.name));
  }
  for (int i = 0; i < request.messages_size(); ++i) {
    const MessageType type = DerivedType(request.messages(i));
    if (Takes(topic.type, type)) continue;
    if (topic.type == MessageType::kDelay && type == MessageType::kNormal &&
        HasDelayLevel(request.messages(i))) {
      continue;
    }
    const std::string_view cure =
        topic.type == MessageType::kFifo ? "give it a message group, or send it to another topic"
        : topic.type == MessageType::kPriority ? "give it a priority, or send it to another topic"
                                               : "send it to a topic of its type";
    const std::string_view takes = topic.type == MessageType::kMixed
                                       ? "NORMAL, FIFO, DELAY and TRANSACTION"
                                       : NameOf(topic.type);
    return AboutMessage(i, request.messages_size(),
                        WireError(v2::MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
                                  fmt::format("topic {} takes {} messages, this one is {}; {}",
                                              topic.name, takes, NameOf(type), cure)));
  }
  return absl::OkStatus();
}

}  // namespace mansio::broker
