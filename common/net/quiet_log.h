#ifndef MANSIO_COMMON_NET_QUIET_LOG_H_
#define MANSIO_COMMON_NET_QUIET_LOG_H_

#include <cstdint>
#include <string_view>

#include "absl/time/time.h"

namespace mansio::net {

// Logs a warning that strangers can provoke as often as they like: at most one line in ten seconds, which
// then says how many were left out. Not thread-safe.
class QuietLog {
 public:
  void Warn(std::string_view text);

 private:
  absl::Time next_ = absl::InfinitePast();
  int64_t left_out_ = 0;
};

}  // namespace mansio::net

#endif  // MANSIO_COMMON_NET_QUIET_LOG_H_
