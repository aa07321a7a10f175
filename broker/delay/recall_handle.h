#ifndef MANSIO_BROKER_DELAY_RECALL_HANDLE_H_
#define MANSIO_BROKER_DELAY_RECALL_HANDLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "broker/delay/records.h"

namespace mansio::broker {

// Names one pending timer (RocketMQ 5 API): opaque text for clients, URL-safe base64, with a
// keyed MAC as receipt handles have. It holds no log position, so that a message that is carried
// forward keeps its handle.
struct RecallHandle {
  std::string broker;  // so that any node can forward it
  uint32_t topic = 0;  // that the message was sent to
  TimerKey timer;
  std::string message_id;

  std::string Encode(const std::array<uint64_t, 2>& key) const;
  // The broker that a handle names, unchecked; "" for text that is no handle at all.
  static std::string BrokerOf(std::string_view text);
  // BAD_REQUEST (wire status) for text that is not a handle made with this key.
  static absl::StatusOr<RecallHandle> Decode(std::string_view text,
                                             const std::array<uint64_t, 2>& key);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_RECALL_HANDLE_H_
