#include "common/net/quiet_log.h"

#include <fmt/format.h>
#include <glog/logging.h>

#include <string>
#include <utility>

#include "absl/time/clock.h"

namespace mansio::net {

void QuietLog::Warn(std::string_view text) {
  constexpr absl::Duration kInterval = absl::Seconds(10);
  const absl::Time now = absl::Now();
  if (now < next_) {
    ++left_out_;
    return;
  }
  next_ = now + kInterval;
  const int64_t left_out = std::exchange(left_out_, 0);
  const std::string more =
      left_out == 0 ? "" : fmt::format(" ({} more of this kind before it)", left_out);
  LOG(WARNING) << text << more;
}

}  // namespace mansio::net
