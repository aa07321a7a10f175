#ifndef MANSIO_CLIENT_COMMAND_POINT_H_
#define MANSIO_CLIENT_COMMAND_POINT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mansio::command {

// A point in the queues of a topic, as users write it.
struct Point {
  enum class Kind { kEarliest, kLatest, kTime, kOffset };
  Kind kind = Kind::kEarliest;
  absl::Time time;     // kTime
  int64_t offset = 0;  // kOffset
};

// Reads "earliest", "latest", an offset (digits only), a time (ParseInstant) or a duration before
// `now` ("10m"). InvalidArgument with a sentence for anything else. Pure.
absl::StatusOr<Point> ParsePoint(const std::string& text, absl::Time now);

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_POINT_H_
