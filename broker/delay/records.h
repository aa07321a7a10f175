#ifndef MANSIO_BROKER_DELAY_RECORDS_H_
#define MANSIO_BROKER_DELAY_RECORDS_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "store/record.h"

// Pending timers and the records that end them. A timer begins with its message: a record of one
// of the two system topics, whose provenance says when it is due.
namespace mansio::broker {

inline constexpr store::RecordKind kTimersFiredRecord = 64;     // delivered, in the same frame
inline constexpr store::RecordKind kTimersRecalledRecord = 65;  // taken back

// Level n waits in queue n-1 of the first topic, an exact time in queue 0 of the second.
inline constexpr std::string_view kLevelTopic = "SCHEDULE_TOPIC_XXXX";
inline constexpr std::string_view kTimerTopic = "rmq_sys_wheel_timer";

// The user property that names a delay level.
inline constexpr std::string_view kDelayProperty = "DELAY";

// One pending timer: in the order in which they fire, by due time and then by queue position.
struct TimerKey {
  int64_t due_ms = 0;  // broker time
  uint64_t place = 0;  // level << 48 | offset in its queue; level 0: an exact time

  static TimerKey Of(int64_t due_ms, uint32_t level, store::QueueOffset offset) {
    return {due_ms, static_cast<uint64_t>(level) << 48 | offset};
  }
  // The smallest key behind this one.
  TimerKey Next() const { return {due_ms, place + 1}; }
  uint32_t level() const { return static_cast<uint32_t>(place >> 48); }
  store::QueueOffset offset() const { return place & ((uint64_t{1} << 48) - 1); }
  friend auto operator<=>(const TimerKey&, const TimerKey&) = default;
};

// Rising keys, as differences. Also the form in which a checkpoint holds them.
std::string EncodeTimers(absl::Span<const TimerKey> timers);
// DataLoss when the bytes are not a list of timers.
absl::StatusOr<std::vector<TimerKey>> DecodeTimers(std::string_view bytes);

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_DELAY_RECORDS_H_
