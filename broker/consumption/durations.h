#ifndef MANSIO_BROKER_CONSUMPTION_DURATIONS_H_
#define MANSIO_BROKER_CONSUMPTION_DURATIONS_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace mansio::broker {

// Bounds of an invisible time that a client asks for (RocketMQ 5 API). A change may also be
// 0.
inline constexpr absl::Duration kMinInvisible = absl::Seconds(10);
inline constexpr absl::Duration kMaxInvisible = absl::Hours(12);

// After so many failures to read a message in a row (1: the first) it is read again after this:
// 1 s, twice as long each time, a minute at most.
inline int64_t ReadAgainMs(uint32_t failures) {
  return std::min<int64_t>(int64_t{1000} << std::clamp<int64_t>(int64_t{failures} - 1, 0, 6),
                           60'000);
}

// nullopt for one that is not normalised or too large for any use: nanoseconds out of range, signs
// that differ, more than 10,000 years.
inline std::optional<absl::Duration> ToDuration(const google::protobuf::Duration& d) {
  constexpr int64_t kMaxSeconds = 315576000000;  // protobuf's own bound
  if (d.seconds() > kMaxSeconds || d.seconds() < -kMaxSeconds) return std::nullopt;
  if (d.nanos() > 999999999 || d.nanos() < -999999999) return std::nullopt;
  if ((d.seconds() > 0 && d.nanos() < 0) || (d.seconds() < 0 && d.nanos() > 0)) return std::nullopt;
  return absl::Seconds(d.seconds()) + absl::Nanoseconds(d.nanos());
}

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CONSUMPTION_DURATIONS_H_
