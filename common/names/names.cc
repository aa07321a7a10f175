#include "common/names/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apache/rocketmq/v2/definition.pb.h"
#include "common/names/string_map.h"
#include "common/names/utf8.h"
#include "common/status/wire_status.h"

namespace mansio::names {
namespace {

namespace v2 = apache::rocketmq::v2;

constexpr std::string_view kSystemTopicPrefix = "rmq_sys_";
constexpr std::string_view kSystemGroupPrefix = "CID_RMQ_SYS_";

constexpr std::array<std::string_view, 10> kSystemTopics = {
    "TBW102",
    "SCHEDULE_TOPIC_XXXX",
    "BenchmarkTest",
    "RMQ_SYS_TRANS_HALF_TOPIC",
    "RMQ_SYS_TRACE_TOPIC",
    "RMQ_SYS_TRANS_OP_HALF_TOPIC",
    "TRANS_CHECK_MAX_TIME_TOPIC",
    "SELF_TEST_TOPIC",
    "OFFSET_MOVED_EVENT",
    "CHECKPOINT_TOPIC",
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '%' || c == '|';
}

// The rules that topics and groups share.
absl::Status ValidateResource(v2::Code code, std::string_view what, std::string_view name,
                              size_t max_length) {
  if (IsBlank(name)) return WireError(code, fmt::format("the {} name is empty", what));
  if (name.size() > max_length) {
    return WireError(code, fmt::format("the {} name '{}' has {} characters; the limit is {}", what,
                                       EscapeForLog(name, 40), name.size(), max_length));
  }
  if (!std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return WireError(code, fmt::format("the {} name '{}' contains a character other than a-z A-Z "
                                       "0-9 _ - % |",
                                       what, EscapeForLog(name)));
  }
  return absl::OkStatus();
}

const StringSet& ReservedPropertyKeys() {
  static const auto* const keys = new StringSet{"TRACE_ON",
                                                "MSG_REGION",
                                                "KEYS",
                                                "TAGS",
                                                "WAIT",
                                                "DELAY",
                                                "RETRY_TOPIC",
                                                "REAL_TOPIC",
                                                "REAL_QID",
                                                "TRAN_MSG",
                                                "PGROUP",
                                                "MIN_OFFSET",
                                                "MAX_OFFSET",
                                                "BUYER_ID",
                                                "ORIGIN_MESSAGE_ID",
                                                "TRANSFER_FLAG",
                                                "CORRECTION_FLAG",
                                                "MQ2_FLAG",
                                                "RECONSUME_TIME",
                                                "UNIQ_KEY",
                                                "MAX_RECONSUME_TIMES",
                                                "CONSUME_START_TIME",
                                                "POP_CK",
                                                "POP_CK_OFFSET",
                                                "1ST_POP_TIME",
                                                "TRAN_PREPARED_QUEUE_OFFSET",
                                                "DUP_INFO",
                                                "EXTEND_UNIQ_INFO",
                                                "INSTANCE_ID",
                                                "CORRELATION_ID",
                                                "REPLY_TO_CLIENT",
                                                "TTL",
                                                "ARRIVE_TIME",
                                                "PUSH_REPLY_TIME",
                                                "CLUSTER",
                                                "MSG_TYPE",
                                                "INNER_MULTI_QUEUE_OFFSET",
                                                "TIMER_DELAY_MS",
                                                "TIMER_DELAY_SEC",
                                                "TIMER_DELIVER_MS",
                                                "TIMER_ENQUEUE_MS",
                                                "TIMER_DEQUEUE_MS",
                                                "TIMER_ROLL_TIMES",
                                                "TIMER_OUT_MS",
                                                "TIMER_DEL_UNIQKEY",
                                                "TIMER_DELAY_LEVEL",
                                                "__BORNHOST",
                                                "BORN_TIMESTAMP",
                                                "DLQ_ORIGIN_TOPIC",
                                                "DLQ_ORIGIN_MESSAGE_ID",
                                                "__CRC32#"};
  return *keys;
}

}  // namespace

bool IsSystemTopic(std::string_view topic) {
  return topic.starts_with(kSystemTopicPrefix) ||
         std::find(kSystemTopics.begin(), kSystemTopics.end(), topic) != kSystemTopics.end();
}

bool IsReservedPropertyKey(std::string_view key) { return ReservedPropertyKeys().contains(key); }

std::string RetryTopic(std::string_view group) { return fmt::format("{}{}", kRetryPrefix, group); }
std::string DlqTopic(std::string_view group) { return fmt::format("{}{}", kDlqPrefix, group); }
bool IsRetryTopic(std::string_view topic) { return topic.starts_with(kRetryPrefix); }
bool IsDlqTopic(std::string_view topic) { return topic.starts_with(kDlqPrefix); }
bool IsGroupTopic(std::string_view topic) { return IsRetryTopic(topic) || IsDlqTopic(topic); }

absl::Status ValidateTopic(std::string_view topic) {
  absl::Status status =
      ValidateResource(v2::ILLEGAL_TOPIC, "topic", topic,
                       IsGroupTopic(topic) ? kMaxDerivedTopicLength : kMaxTopicLength);
  if (status.ok() && IsSystemTopic(topic)) {
    return WireError(v2::ILLEGAL_TOPIC,
                     fmt::format("the topic name '{}' is reserved for the system", topic));
  }
  return status;
}

absl::Status ValidateConsumerGroup(std::string_view group) {
  absl::Status status =
      ValidateResource(v2::ILLEGAL_CONSUMER_GROUP, "consumer group", group, kMaxGroupLength);
  if (status.ok() && group.starts_with(kSystemGroupPrefix)) {
    return WireError(v2::ILLEGAL_CONSUMER_GROUP,
                     fmt::format("the consumer group name '{}' begins with {}, which is reserved "
                                 "for the system",
                                 group, kSystemGroupPrefix));
  }
  return status;
}

absl::Status ValidateMessageTag(std::string_view tag) {
  if (IsBlank(tag)) {
    return WireError(v2::ILLEGAL_MESSAGE_TAG, "the message tag is blank; leave it out instead");
  }
  if (tag.find('|') != std::string_view::npos) {
    return WireError(v2::ILLEGAL_MESSAGE_TAG,
                     fmt::format("the message tag '{}' contains '|', which separates tags in a "
                                 "filter expression",
                                 EscapeForLog(tag)));
  }
  if (HasControlCharacter(tag)) {
    return WireError(
        v2::ILLEGAL_MESSAGE_TAG,
        fmt::format("the message tag '{}' contains a control character", EscapeForLog(tag)));
  }
  return absl::OkStatus();
}

absl::Status ValidateMessageKey(std::string_view key) {
  if (IsBlank(key)) {
    return WireError(v2::ILLEGAL_MESSAGE_KEY, "a message key is blank; leave it out instead");
  }
  if (HasControlCharacter(key)) {
    return WireError(
        v2::ILLEGAL_MESSAGE_KEY,
        fmt::format("the message key '{}' contains a control character", EscapeForLog(key)));
  }
  return absl::OkStatus();
}

absl::Status ValidateMessageId(std::string_view id) {
  if (!IsBlank(id)) return absl::OkStatus();
  return WireError(v2::ILLEGAL_MESSAGE_ID, "the message id is blank; the client must choose one");
}

absl::Status ValidateMessageGroup(std::string_view group) {
  if (IsBlank(group)) {
    return WireError(v2::ILLEGAL_MESSAGE_GROUP, "the message group is blank; leave it out instead");
  }
  if (group.size() > kMaxMessageGroupLength) {
    return WireError(v2::ILLEGAL_MESSAGE_GROUP,
                     fmt::format("the message group '{}' has {} bytes; the limit is {}",
                                 EscapeForLog(group, 40), group.size(), kMaxMessageGroupLength));
  }
  if (HasControlCharacter(group)) {
    return WireError(
        v2::ILLEGAL_MESSAGE_GROUP,
        fmt::format("the message group '{}' contains a control character", EscapeForLog(group)));
  }
  return absl::OkStatus();
}

absl::Status ValidateUserProperty(std::string_view key, std::string_view value) {
  if (IsReservedPropertyKey(key)) {
    return WireError(v2::ILLEGAL_MESSAGE_PROPERTY_KEY,
                     fmt::format("the property key '{}' is reserved for the system", key));
  }
  if (HasControlCharacter(key)) {
    return WireError(
        v2::ILLEGAL_MESSAGE_PROPERTY_KEY,
        fmt::format("the property key '{}' contains a control character", EscapeForLog(key)));
  }
  if (HasControlCharacter(value)) {
    return WireError(
        v2::ILLEGAL_MESSAGE_PROPERTY_KEY,
        fmt::format("the value of property '{}' contains a control character", EscapeForLog(key)));
  }
  return absl::OkStatus();
}

absl::Status ValidateNodeName(std::string_view what, std::string_view name) {
  const auto allowed = [](char c) {
    return (IsNameCharacter(c) && c != '%' && c != '|') || c == '.';
  };
  if (!name.empty() && name.size() <= kMaxNodeNameLength &&
      std::all_of(name.begin(), name.end(), allowed)) {
    return absl::OkStatus();
  }
  return WireError(v2::BAD_REQUEST, fmt::format("{} '{}' must have 1 to {} characters out of a-z "
                                                "A-Z 0-9 _ - .",
                                                what, EscapeForLog(name, 40), kMaxNodeNameLength));
}

}  // namespace mansio::names
