#ifndef MANSIO_COMMON_NAMES_NAMES_H_
#define MANSIO_COMMON_NAMES_NAMES_H_

// Rules for the names that clients send, each with the public code that its violation is answered
// with (RocketMQ 5 API; common/status/wire_status.h reads the code from the status).
// Every function is pure and thread safe. Error texts show the offending name escaped.

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace mansio::names {

inline constexpr std::string_view kRetryPrefix = "%RETRY%";
inline constexpr std::string_view kDlqPrefix = "%DLQ%";

inline constexpr size_t kMaxTopicLength = 127;         // bytes; the character set is ASCII
inline constexpr size_t kMaxDerivedTopicLength = 255;  // retry and dead-letter topics
inline constexpr size_t kMaxGroupLength = 120;         // bytes
inline constexpr size_t kMaxMessageGroupLength = 63;   // UTF-8 bytes
inline constexpr size_t kMaxNodeNameLength = 127;      // bytes

// A topic that clients may name: characters % | a-z A-Z 0-9 _ -, at most 127 of them (255 with a
// retry or dead-letter prefix), not reserved for the system. Else ILLEGAL_TOPIC.
absl::Status ValidateTopic(std::string_view topic);

// A consumer group: the same characters, at most 120, not one of the system's. Else
// ILLEGAL_CONSUMER_GROUP.
absl::Status ValidateConsumerGroup(std::string_view group);

// A message tag that is present: not blank, no '|', no control character. Else ILLEGAL_MESSAGE_TAG.
absl::Status ValidateMessageTag(std::string_view tag);

// One message key: not blank, no control character. Else ILLEGAL_MESSAGE_KEY.
absl::Status ValidateMessageKey(std::string_view key);

// A message id: not blank. Else ILLEGAL_MESSAGE_ID.
absl::Status ValidateMessageId(std::string_view id);

// A message group that is present: not blank, at most 63 bytes, no control character. Else
// ILLEGAL_MESSAGE_GROUP.
absl::Status ValidateMessageGroup(std::string_view group);

// A user property: the key is not reserved, neither part has a control character. Else
// ILLEGAL_MESSAGE_PROPERTY_KEY.
absl::Status ValidateUserProperty(std::string_view key, std::string_view value);

// The name of a cluster or broker from the configuration: a-z A-Z 0-9 _ - . and at most 127 bytes.
// `what` begins the error text, for example "broker.name". Else BAD_REQUEST.
absl::Status ValidateNodeName(std::string_view what, std::string_view name);

// True for the topics that belong to the system: a fixed list and the prefix rmq_sys_.
bool IsSystemTopic(std::string_view topic);

// True for the property keys that RocketMQ keeps for itself (exact, case-sensitive).
bool IsReservedPropertyKey(std::string_view key);

// The retry and the dead-letter topic of a consumer group.
std::string RetryTopic(std::string_view group);
std::string DlqTopic(std::string_view group);
bool IsRetryTopic(std::string_view topic);
bool IsDlqTopic(std::string_view topic);
bool IsGroupTopic(std::string_view topic);  // either

}  // namespace mansio::names

#endif  // MANSIO_COMMON_NAMES_NAMES_H_
