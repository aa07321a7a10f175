#ifndef MANSIO_BROKER_REPLICATION_CATCH_UP_H_
#define MANSIO_BROKER_REPLICATION_CATCH_UP_H_

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "store/types.h"

namespace mansio::broker {

// What a slave's log says while it copies much of its master's: how far it is, each ten seconds,
// and when it has all that there was when it began. Not thread-safe.
class CatchUp {
 public:
  // The master has agreed to send what is in [from, until). `now`, here and below: since boot.
  void Begin(store::LogOffset from, store::LogOffset until, absl::Duration now);
  // A line that is due, when the log ends at `end`.
  std::optional<std::string> Line(store::LogOffset end, absl::Duration now);

 private:
  store::LogOffset from_ = 0;
  store::LogOffset until_ = 0;
  absl::Duration began_ = absl::ZeroDuration();
  absl::Duration next_ = absl::ZeroDuration();
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_REPLICATION_CATCH_UP_H_
