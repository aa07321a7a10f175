#ifndef MANSIO_BROKER_MESSAGE_PROVENANCE_H_
#define MANSIO_BROKER_MESSAGE_PROVENANCE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "store/types.h"

namespace mansio::broker {

// What the broker knows of a message that does not stand where it was sent to: a pending timer or
// half, a retry or dead-letter copy. Part of the stored content, invisible to clients; a message in
// its own topic has none. Fields that are 0 or empty take no bytes.
struct Provenance {
  uint32_t topic = 0;              // the id of the topic it was sent to
  uint32_t queue = 0;              // where it stood there, or is to stand
  store::QueueOffset offset = 0;   // the same, once it stood there
  store::StoreTime stored_ms = 0;  // when it was stored first
  uint32_t attempts = 0;           // deliveries that were made of it
  int64_t first_ms = 0;            // broker time of the first of them, and of the last
  int64_t last_ms = 0;
  int64_t due_ms = 0;           // broker time at which a pending timer fires
  uint32_t level = 0;           // delay level of a pending timer, 1 for the first; 0: exact time
  std::string_view group;       // consumer group of a retry or dead letter
  std::string_view topic_name;  // as `topic`, where that may have been deleted meanwhile
  std::string_view reason;      // why it is a dead letter, or was rolled back

  int64_t dead_ms = 0;  // when it became a dead letter, if not when it was stored as one
  // Of a pending timer: what the delivered message has in its turn, encoded.
  std::string_view delivered;

  // Of a dead letter that is being retried in turn: what it had as a dead letter, encoded.
  std::string_view dead_letter;

  bool empty() const { return *this == Provenance{}; }
  friend bool operator==(const Provenance&, const Provenance&) = default;

  // "" for an empty one.
  std::string Encode() const;
  // The texts point into `bytes`. Fields that are not known are passed over. DataLoss when it
  // cannot be decoded.
  static absl::StatusOr<Provenance> Decode(std::string_view bytes);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_MESSAGE_PROVENANCE_H_
