#ifndef MANSIO_COMMON_GATEWAY_CLIENT_INFO_H_
#define MANSIO_COMMON_GATEWAY_CLIENT_INFO_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace mansio::gateway {

// Identifies a client where its text would be too long (lease records). Depends on the client id
// only: the same on every node and after every restart.
uint64_t ClientHash(std::string_view client_id);

enum class ClientRole { kUnknown, kProducer, kPushConsumer, kSimpleConsumer, kPullConsumer };

// Whether a client of this role belongs to a consumer group.
inline bool IsConsumer(ClientRole role) {
  return role == ClientRole::kPushConsumer || role == ClientRole::kSimpleConsumer ||
         role == ClientRole::kPullConsumer;
}
// Whether it receives under leases. One that does begins with its group at its first sign of life;
// a pull consumer says itself where it reads and begins nowhere.
inline bool ReceivesByLease(ClientRole role) {
  return IsConsumer(role) && role != ClientRole::kPullConsumer;
}

// A client as a node sees it.
struct ClientInfo {
  std::string id;
  ClientRole role = ClientRole::kUnknown;
  std::string group;                   // consumers
  std::vector<std::string> topics;     // published or subscribed, as it says itself
  std::vector<std::string> published;  // by sends
  std::string language;
  std::string version;
  std::string peer;
  absl::Duration last_seen;  // on Clock::BootNow
  bool stream_open = false;
  uint64_t streams_lost = 0;  // how many of its streams at the node that says this have closed
};

}  // namespace mansio::gateway

#endif  // MANSIO_COMMON_GATEWAY_CLIENT_INFO_H_
