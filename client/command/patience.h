#ifndef MANSIO_CLIENT_COMMAND_PATIENCE_H_
#define MANSIO_CLIENT_COMMAND_PATIENCE_H_

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "common/status/wire_status.h"

namespace mansio::command {

// What `ask` returns, an absl::StatusOr; asks again while the answer is TOO_MANY_REQUESTS, for half
// a minute at most: a broker may be busy with others.
template <typename Ask>
auto AskPatiently(Ask ask) {
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  for (;;) {
    auto answer = ask();
    const bool busy = CodeOf(answer.status()) == apache::rocketmq::v2::TOO_MANY_REQUESTS;
    if (!busy || absl::Now() >= give_up) return answer;
    absl::SleepFor(absl::Milliseconds(200));
  }
}

}  // namespace mansio::command

#endif  // MANSIO_CLIENT_COMMAND_PATIENCE_H_
