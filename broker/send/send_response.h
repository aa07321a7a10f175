#ifndef MANSIO_BROKER_SEND_SEND_RESPONSE_H_
#define MANSIO_BROKER_SEND_SEND_RESPONSE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

// Encoded v2.SendMessageResponse (RocketMQ 5 API), written by hand: there is one per send.
// Pure functions.
namespace mansio::broker {

// What became of one message.
struct SendOutcome {
  std::string message_id;  // the client's, unchanged
  absl::Status status;
  int64_t queue_offset = 0;   // when the status is OK
  std::string recall_handle;  // of a message that waits for its delivery time
};

// What an entry of the answer names for later calls; most messages have neither.
struct EntryNames {
  std::string_view transaction_id;  // of a half message
  std::string_view recall_handle;   // of a message that waits for its delivery time
};

// The answer to a request of one message that was stored.
std::string EncodeStored(std::string_view message_id, int64_t queue_offset,
                         const EntryNames& names = {});

// The answer to any other request: an entry per message, in request order, and above them the
// status that they share, or MULTIPLE_RESULTS.
std::string EncodeOutcomes(const std::vector<SendOutcome>& outcomes);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SEND_SEND_RESPONSE_H_
