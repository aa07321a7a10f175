#ifndef MANSIO_CLIENT_BENCH_ERRORS_H_
#define MANSIO_CLIENT_BENCH_ERRORS_H_

#include <string>

#include "absl/status/status.h"

namespace mansio::bench {

// The name under which a failed call is counted: what was wrong with the transport, in the style of
// the public codes. Pure; thread-safe.
inline std::string TransportError(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "UNREACHABLE";
    case absl::StatusCode::kDeadlineExceeded:
      return "TIMEOUT";
    default:
      return absl::StatusCodeToString(status.code());
  }
}

}  // namespace mansio::bench

#endif  // MANSIO_CLIENT_BENCH_ERRORS_H_
