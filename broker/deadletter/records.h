#ifndef MANSIO_BROKER_DEADLETTER_RECORDS_H_
#define MANSIO_BROKER_DEADLETTER_RECORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "store/record.h"

namespace mansio::broker {

// Dead letters that are taken out of a group's %DLQ% topic: resent (the copies are messages of the
// same frame) or purged.
inline constexpr store::RecordKind kDeadLettersRemovedRecord = 96;

struct DeadLettersRemovedRecord {
  uint32_t topic = 0;                       // the dead-letter topic
  std::vector<store::QueueOffset> offsets;  // of its one queue, rising
  std::string Encode() const;
  static absl::StatusOr<DeadLettersRemovedRecord> Decode(std::string_view body);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DEADLETTER_RECORDS_H_
