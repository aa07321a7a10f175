#include "broker/delay/records.h"

#include "absl/status/status.h"
#include "broker/core/codec.h"

namespace mansio::broker {

std::string EncodeTimers(absl::Span<const TimerKey> timers) {
  ByteWriter w;
  w.Varint(timers.size());
  int64_t due = 0;
  for (const TimerKey& timer : timers) {
    w.Varint(static_cast<uint64_t>(timer.due_ms - due)).Varint(timer.level());
    w.Varint(timer.offset());
    due = timer.due_ms;
  }
  return w.Take();
}

absl::StatusOr<std::vector<TimerKey>> DecodeTimers(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint64_t count = reader.Varint();
  std::vector<TimerKey> timers;
  int64_t due = 0;
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    due += static_cast<int64_t>(reader.Varint());
    const uint32_t level = reader.Varint32();
    timers.push_back(TimerKey::Of(due, level, reader.Varint()));
  }
  if (!reader.ok() || !reader.AtEnd()) return absl::DataLossError("a list of timers is damaged");
  return timers;
}

}  // namespace mansio::broker
