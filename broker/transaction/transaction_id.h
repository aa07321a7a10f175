#ifndef MANSIO_BROKER_TRANSACTION_TRANSACTION_ID_H_
#define MANSIO_BROKER_TRANSACTION_TRANSACTION_ID_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::broker {

// Names one half: opaque text for clients, URL-safe base64, with a keyed MAC so that it can be
// neither guessed nor changed (design section 6). It holds no log position, so that a half that is
// carried forward keeps its id. The epoch tells the half from one that got the same offset after a
// power cut had taken the first.
struct TransactionId {
  std::string broker;  // so that any node can tell where it belongs
  uint32_t topic = 0;  // the message's own
  store::Epoch epoch = 0;
  store::QueueOffset half = 0;

  std::string Encode(const std::array<uint64_t, 2>& key) const;
  // INVALID_TRANSACTION_ID (wire status) when it is no id, or not one that `broker` made with
  // `key`.
  static absl::StatusOr<TransactionId> Decode(std::string_view text, std::string_view broker,
                                              const std::array<uint64_t, 2>& key);
  // The broker that an id names, forged or not; nullopt when the text is no id.
  static std::optional<std::string> BrokerOf(std::string_view text);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_TRANSACTION_TRANSACTION_ID_H_
