#ifndef MANSIO_CLIENT_LIB_MESSAGE_H_
#define MANSIO_CLIENT_LIB_MESSAGE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mansio::client {

// A message to send. The broker checks every field (RocketMQ 5 API).
struct Message {
  std::string topic;
  std::string body;               // 1 byte to 4 MiB
  std::string tag;                // empty: none
  std::vector<std::string> keys;  // for look-ups
  std::string message_group;      // FIFO topics: messages of one group stay in order. Empty: none
  std::map<std::string, std::string> properties;
  std::string message_id;  // empty: the producer makes one
  // When consumers get it: at the time `deliver_at` (topics of type delay or mixed), or after the
  // delay of level `delay_level`, 1 to 18 (also of type normal). Neither: at once.
  std::optional<absl::Time> deliver_at;
  int delay_level = 0;
  // Topics of type priority: from 0 on; consumers get higher ones first.
  std::optional<int> priority;
};

// A message that was received. Its lease lasts for the invisible time of the receive; until then it
// has to be acknowledged, or it is delivered again.
struct ReceivedMessage {
  std::string topic;
  std::string body;  // decompressed when the producer had compressed it
  std::string tag;
  std::vector<std::string> keys;
  std::string message_group;
  std::map<std::string, std::string> properties;
  std::string message_id;
  std::string broker;
  int queue_id = 0;
  int64_t queue_offset = 0;
  int delivery_attempt = 1;  // 1 the first time
  absl::Time born_time;
  absl::Time store_time;
  std::string born_host;
  // True when the body does not match the digest that came with it, or cannot be decompressed.
  bool corrupted = false;

  std::string receipt_handle;  // names the lease; for Ack and ChangeInvisible
  std::string endpoint;        // of the broker that the message came from
};

}  // namespace mansio::client

#endif  // MANSIO_CLIENT_LIB_MESSAGE_H_
