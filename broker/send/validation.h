#ifndef MANSIO_BROKER_SEND_VALIDATION_H_
#define MANSIO_BROKER_SEND_VALIDATION_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "broker/metadata/records.h"

namespace apache::rocketmq::v2 {
class Message;
class SendMessageRequest;
}  // namespace apache::rocketmq::v2

// What a send must look like (RocketMQ 5 API). Every error is a wire status with the code
// that the contract names and a sentence that says cause and cure. Pure functions.
namespace mansio::broker {

// Each is a key below `limits` in the configuration.
struct SendLimits {
  size_t body_bytes = 4u << 20;
  size_t properties = 128;              // user properties of one message
  size_t properties_bytes = 16u << 10;  // their keys and values, with tag and keys
  size_t messages = 1024;               // in one request
  size_t request_bytes = 32u << 20;
  size_t bytes_in_flight = 256u << 20;
  int64_t max_delay_ms = 24 * 3600 * 1000;  // delay.max: how far ahead a delivery time may be
};

// The longest recovery duration of a transaction.
inline constexpr int64_t kMaxRecoverySeconds = 3600;
// The texts that a client chooses and no limit of the contract covers (message id, trace context,
// born host), together.
inline constexpr size_t kMaxOtherTextBytes = 16u << 10;

// All checks that need no topic, in the contract's order; `now_ms` is broker time. In a batch the
// sentence says which message it is about. The last check is that the types of all messages are
// served: NOT_IMPLEMENTED otherwise.
absl::Status ValidateSend(const apache::rocketmq::v2::SendMessageRequest& request,
                          const SendLimits& limits, int64_t now_ms);

// The type of a message, derived from its properties: first match of transaction, delivery time,
// message group, priority, lite topic.
MessageType DerivedType(const apache::rocketmq::v2::Message& message);

// True when the message names a delay level, with the one reserved property key that clients may
// set: RocketMQ's DELAY.
bool HasDelayLevel(const apache::rocketmq::v2::Message& message);

// MESSAGE_PROPERTY_CONFLICT_WITH_TYPE unless `topic` takes each message of the request;
// ILLEGAL_TOPIC for one that belongs to a consumer group.
absl::Status CheckTopicType(const apache::rocketmq::v2::SendMessageRequest& request,
                            const TopicRecord& topic);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_VALIDATION_H_
