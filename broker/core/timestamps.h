#ifndef MANSIO_BROKER_CORE_TIMESTAMPS_H_
#define MANSIO_BROKER_CORE_TIMESTAMPS_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cstdint>

// Milliseconds, as the log has them, and times and durations of requests and answers.
namespace mansio::broker {

// Whether a time is valid and one from 1970 to 9999, which is as far as protobuf goes. Others must
// not reach the functions below, which would overflow.
inline bool IsTime(const google::protobuf::Timestamp& time) {
  constexpr int64_t kLastSecond = 253402300799;
  return time.seconds() >= 0 && time.seconds() <= kLastSecond && time.nanos() >= 0 &&
         time.nanos() <= 999999999;
}

// The millisecond since 1970 that a time is in, or the first one that is not before it.
inline int64_t MillisOf(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1000000;
}
inline int64_t MillisFrom(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + (time.nanos() + 999999) / 1000000;
}

// The longest duration that protobuf has.
inline constexpr int64_t kMaxDurationSeconds = 315576000000;

// Whether a duration is valid and not negative.
inline bool IsLength(const google::protobuf::Duration& d) {
  return d.seconds() >= 0 && d.seconds() <= kMaxDurationSeconds && d.nanos() >= 0 &&
         d.nanos() <= 999999999;
}

// A duration's whole milliseconds. One that is beyond protobuf's bounds becomes its bound.
inline int64_t MillisOf(const google::protobuf::Duration& d) {
  const int64_t seconds = std::clamp(d.seconds(), -kMaxDurationSeconds, kMaxDurationSeconds);
  return seconds * 1000 + d.nanos() / 1000000;
}
// The same of a length, rounded up: one that is not 0 does not become 0.
inline int64_t MillisFrom(const google::protobuf::Duration& length) {
  return length.seconds() * 1000 + (length.nanos() + 999999) / 1000000;
}

// `ms` is not negative.
inline void SetMillis(int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
}

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_TIMESTAMPS_H_
