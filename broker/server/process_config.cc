#include "broker/server/process_config.h"

#include <utility>

namespace mansio::broker {

BrokerConfig ProcessConfig::Current() const {
  const MutexLock lock(&mutex_);
  return current_;
}

absl::StatusOr<BrokerConfig> ProcessConfig::Set(
    std::string_view key, std::string_view value,
    absl::FunctionRef<void(const BrokerConfig&)> apply) {
  const MutexLock lock(&mutex_);
  absl::StatusOr<BrokerConfig> changed = BrokerSchema().With(current_, key, value);
  if (!changed.ok()) return changed.status();
  BrokerConfig previous = std::exchange(current_, *std::move(changed));
  apply(current_);
  return previous;
}

}  // namespace mansio::broker
