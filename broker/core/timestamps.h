#ifndef MANSIO_BROKER_CORE_TIMESTAMPS_H_
#define MANSIO_BROKER_CORE_TIMESTAMPS_H_

#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

// Milliseconds since 1970, as the log has them, and times of requests and answers.
namespace mansio::broker {

// Whether a time is valid and one from 1970 to 9999, which is as far as protobuf goes. Others must
// not reach the functions below, which would overflow.
inline bool IsTime(const google::protobuf::Timestamp& time) {
  constexpr int64_t kLastSecond = 253402300799;
  return time.seconds() >= 0 && time.seconds() <= kLastSecond && time.nanos() >= 0 &&
         time.nanos() <= 999999999;
}

// The millisecond that a time is in, or the first one that is not before it.
inline int64_t MillisOf(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + time.nanos() / 1000000;
}
inline int64_t MillisFrom(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1000 + (time.nanos() + 999999) / 1000000;
}

// `ms` is not negative.
inline void SetMillis(int64_t ms, google::protobuf::Timestamp* time) {
  time->set_seconds(ms / 1000);
  time->set_nanos(static_cast<int32_t>(ms % 1000 * 1000000));
}

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_CORE_TIMESTAMPS_H_
