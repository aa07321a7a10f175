#ifndef MANSIO_BROKER_SERVER_PROCESS_CONFIG_H_
#define MANSIO_BROKER_SERVER_PROCESS_CONFIG_H_

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "broker/server/broker_config.h"
#include "common/sync/sync.h"

namespace mansio::broker {

// The configuration of the process: as it was started, with what was set since. It outlives a
// Broker, which is made anew when its role changes. Thread-safe.
class ProcessConfig {
 public:
  explicit ProcessConfig(const BrokerConfig& started_with)
      : started_with_(started_with), current_(started_with) {}

  // As the operator has written it, whatever role a command or the election has given.
  const BrokerConfig& started_with() const { return started_with_; }
  BrokerConfig Current() const;
  // Sets a key that can change while the process runs, and has `apply` put it into force, for one
  // change at a time. What was before; errors as Schema::With.
  absl::StatusOr<BrokerConfig> Set(std::string_view key, std::string_view value,
                                   absl::FunctionRef<void(const BrokerConfig&)> apply);

 private:
  const BrokerConfig started_with_;
  mutable Mutex mutex_;
  BrokerConfig current_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mansio::broker

#endif  // MANSIO_BROKER_SERVER_PROCESS_CONFIG_H_
