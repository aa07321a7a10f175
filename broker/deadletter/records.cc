#include "broker/deadletter/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

std::string DeadLettersRemovedRecord::Encode() const {
  ByteWriter w;
  w.Varint(topic).Varint(offsets.size());
  store::QueueOffset last = 0;
  for (const store::QueueOffset offset : offsets) {
    w.Varint(offset - last);
    last = offset;
  }
  return w.Take();
}

absl::StatusOr<DeadLettersRemovedRecord> DeadLettersRemovedRecord::Decode(std::string_view body) {
  ByteReader r(body);
  DeadLettersRemovedRecord record;
  record.topic = r.Varint32();
  const uint64_t count = r.Varint();
  store::QueueOffset last = 0;
  for (uint64_t i = 0; i < count && r.ok(); ++i) record.offsets.push_back(last += r.Varint());
  if (!r.ok() || !r.AtEnd()) {
    return absl::DataLossError("a record of removed dead letters cannot be decoded");
  }
  return record;
}

}  // namespace mansio::broker
